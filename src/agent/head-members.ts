// The members of a volume whose head is here, made what the cluster's record wants, one at a time: what is
// missing is added, and what is to leave is removed. Begun again until the mirror record says so.
import { resolveHost } from '../base/address.js';
import { replicaNqn } from '../base/nqn.js';
import { nobody, realMembers } from '../mirrors/record.js';
import { keptFor, type SnapshotRecords } from '../mirrors/snapshot-records.js';
import type { MirrorMemberOptions, MirrorRecord } from '../native/mirror-types.js';
import type { AgentEngine, WantedVolume } from './types.js';

export interface HeadMembers {
  readonly engine: Pick<AgentEngine, 'mirrorInfo' | 'addMirrorMember' | 'removeMirrorMember'>;
  readonly snapshots: Pick<SnapshotRecords, 'list'>;
}

/**
 * `here`: UUID of the replica of this node. True: they are what is wanted, or it is for another head. One
 * that is to leave stays while it has a snapshot that those in sync lack: they get it meanwhile
 * (node-snapshots.ts).
 */
export async function ensureMembers(
  { engine, snapshots }: HeadMembers,
  wanted: WantedVolume,
  record: MirrorRecord,
  here: string,
): Promise<boolean> {
  const there = realMembers(record).map(({ uuid }) => uuid);
  const missing = wanted.members.find((uuid) => !there.includes(uuid));
  const extra = there.find((uuid) => !wanted.members.includes(uuid));
  if (missing === undefined && (extra === undefined || extra === here)) return true;
  const { changing } = await engine.mirrorInfo(wanted.name);
  if (changing) return false;
  if (missing !== undefined) {
    await engine.addMirrorMember(wanted.name, await memberOptions(wanted, missing, here));
  } else if (extra !== undefined) {
    const others = realMembers(record).flatMap(({ uuid, inSync }) => (inSync && uuid !== extra ? uuid : []));
    if (keptFor(await snapshots.list(wanted.name), extra, others) !== undefined) return false;
    await engine.removeMirrorMember(wanted.name, extra);
  }
  return false;
}

/** Where a head of this node reaches a member. */
export async function memberOptions(
  { name, replicas }: WantedVolume,
  uuid: string,
  here: string,
): Promise<MirrorMemberOptions> {
  if (uuid === nobody) return { uuid };
  if (uuid === here) return { uuid, replica: uuid };
  const found = replicas.find(({ replica }) => replica === uuid);
  if (found === undefined) throw new Error(`nobody knows where ${replicaNqn(uuid)} of '${name}' is`);
  const { host, port } = found.address;
  return { uuid, address: { host: await resolveHost(host), port } };
}
