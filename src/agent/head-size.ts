// The size of a volume whose head is here, made what the cluster's record wants: its head makes all members
// larger, then the mirror record, and hosts are told what that says. Begun again until it is so.

import { realMembers } from '../mirrors/record.js';
import type { MirrorRecord } from '../native/mirror-types.js';
import type { AgentEngine, WantedVolume } from './types.js';

export function sizeOf({ blocksCount, blockSizeBytes }: MirrorRecord): bigint {
  return blocksCount * BigInt(blockSizeBytes);
}

/**
 * True: nothing is left to be done, or only when the record has changed. Fails with what kept a member from
 * becoming larger; that is tried again.
 */
export async function ensureSize(
  engine: Pick<AgentEngine, 'mirrorInfo' | 'growMirror'>,
  { name, sizeBytes }: WantedVolume,
  record: MirrorRecord,
): Promise<boolean> {
  if (sizeOf(record) >= sizeBytes) return true;
  // One that is away may not have the room, and could then never come back.
  if (realMembers(record).some(({ inSync }) => !inSync)) return true;
  const { changing, changeTrouble } = await engine.mirrorInfo(name);
  if (changing) return false;
  await engine.growMirror(name, sizeBytes);
  if (changeTrouble !== undefined) throw new Error(changeTrouble);
  return false;
}
