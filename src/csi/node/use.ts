// How a volume is to be used on this node: a capability of CSI as what is mounted, and as what is kept of it.
import { createHash } from 'node:crypto';
import { checkCapabilities } from '../capabilities.js';
import { invalid, required } from '../checks.js';
import type { VolumeCapability, VolumeCapabilityAccessModeMode } from '../messages.js';
import type { RecordedUse } from './records.js';

export interface Use {
  readonly access: 'mount' | 'block';
  readonly mode: VolumeCapabilityAccessModeMode;
  readonly fsType: '' | 'ext4' | 'xfs';
  readonly flags: readonly string[];
  readonly reader: boolean;
  /** Who shares what is written; files and directories get it where it is not theirs. */
  readonly group?: number;
}

const gidMax = 4_294_967_294; // -1 is "leave it"
const flagPattern = /^[A-Za-z][A-Za-z0-9_.=:/@+%-]*$/;
/** Those that say what is mounted and where, and not how; or what mount(8) does beside. */
const refusedFlags = new RegExp(
  `^(?:${[
    'r?bind|move|remount|r?(?:shared|private|slave|unbindable)',
    'loop|offset|sizelimit|u?helper',
    'journal_dev|journal_path|logdev|rtdev',
    '[xX]-.*',
  ].join('|')})(?:=|$)`,
);

export function useOf(field: string, capability: VolumeCapability | null): Use {
  const given = required(field, capability);
  checkCapabilities(field, [given]);
  const { accessMode, accessType, mount } = given;
  const mode = required(field, accessMode).mode;
  const group = mount?.volumeMountGroup ?? '';
  return {
    access: accessType === 'block' ? 'block' : 'mount',
    mode,
    fsType: (mount?.fsType ?? '') as Use['fsType'], // one that there is: checked above
    flags: flagsOf(mount?.mountFlags ?? []),
    reader: mode === 'SINGLE_NODE_READER_ONLY' || mode === 'MULTI_NODE_READER_ONLY',
    ...(group !== '' && { group: groupOf(group) }),
  };
}

export function recordedUse({ access, fsType, flags, reader }: Use): RecordedUse {
  const flagsHash = createHash('sha256').update(flags.join(',')).digest('base64url');
  return { access, fsType, flagsHash, reader };
}

export function isSameUse(a: RecordedUse, b: RecordedUse): boolean {
  return (
    a.access === b.access && a.fsType === b.fsType && a.flagsHash === b.flagsHash && a.reader === b.reader
  );
}

/** Whether a second place on this node may have it: the table of CSI 1.12, "NodePublishVolume". */
export function hasSeveralPlaces(mode: string): boolean {
  return mode.startsWith('MULTI_NODE_') || mode === 'SINGLE_NODE_MULTI_WRITER';
}

function flagsOf(mountFlags: readonly string[]): readonly string[] {
  const flags = mountFlags.flatMap((flag) => flag.split(',')).filter((flag) => flag !== '');
  for (const flag of flags) {
    if (!flagPattern.test(flag)) throw invalid('mountFlags', 'options of mount(8), such as noatime');
    if (refusedFlags.test(flag)) throw invalid('mountFlags', 'no option that changes what is mounted');
  }
  return flags;
}

function groupOf(text: string): number {
  const gid = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(gid <= gidMax)) throw invalid('volumeMountGroup', `the number of a group, at most ${gidMax}`);
  return gid;
}
