// How a volume may be used: as a block device by any number of nodes, with a file system by one that writes
// or by several that only read.
import { invalid, required } from './checks.js';
import type { VolumeCapability, VolumeCapabilityAccessModeMode } from './messages.js';

const fileSystems = ['', 'ext4', 'xfs'];
/** A file system that two nodes write to is destroyed. */
const blockOnly: readonly VolumeCapabilityAccessModeMode[] = [
  'MULTI_NODE_SINGLE_WRITER',
  'MULTI_NODE_MULTI_WRITER',
];

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
    if (accessType === 'mount' && blockOnly.includes(mode)) return `${mode} for block devices only`;
    if (!fileSystems.includes(mount?.fsType ?? '')) return 'ext4 or xfs as the file system';
  }
  return undefined;
}
