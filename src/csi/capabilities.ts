// How a volume may be used. A block device by one node, or by any number that write (for what coordinates
// them itself: a cluster file system, a virtual machine that moves); a file system by one node that writes,
// or by several that only read. Several nodes of which one writes is refused: the target cannot hold the
// others to reading.
import { invalid, required } from './checks.js';
import type { VolumeCapability } from './messages.js';

const fileSystems = ['', 'ext4', 'xfs'];

/** Refuses what is malformed, and what we cannot do. */
export function checkCapabilities(field: string, capabilities: readonly VolumeCapability[]): void {
  const problem = unsupported(field, capabilities);
  if (problem !== undefined) throw invalid(field, problem);
}

/** What we cannot do of it, in words; malformed ones are refused. */
export function unsupported(field: string, capabilities: readonly VolumeCapability[]): string | undefined {
  for (const { accessType, accessMode, mount } of capabilities) {
    const mode = required(field, accessMode).mode;
    if (mode === 'UNKNOWN') throw invalid(field, 'an access mode');
    if (!/^[A-Z_]+$/.test(mode)) throw invalid(field, 'an access mode of CSI 1.12');
    if (accessType === undefined) throw invalid(field, 'block or mount');
    if (mode === 'MULTI_NODE_SINGLE_WRITER')
      return `a mode other than ${mode}, which nothing holds readers to`;
    // A file system that two nodes write to is destroyed.
    if (accessType === 'mount' && mode === 'MULTI_NODE_MULTI_WRITER') return `${mode} for block devices only`;
    if (!fileSystems.includes(mount?.fsType ?? '')) return 'ext4 or xfs as the file system';
  }
  return undefined;
}

export function isForOneNode({ accessMode }: VolumeCapability): boolean {
  return accessMode?.mode.startsWith('SINGLE_NODE_') ?? false;
}
