// What must be true at every moment of a simulated cluster, checked with each commit of the store, with each
// replica that is deleted and with each write; and what must be true of a volume at the end.

import { sizeOf } from '../../../src/agent/head-size.js';
import { holdMs } from '../../../src/agent/host-paths.js';
import { nodesPrefix, volumesPrefix } from '../../../src/cluster/model/keys.js';
import type { NodeRecord } from '../../../src/cluster/model/node.js';
import { decodeNode } from '../../../src/cluster/model/node-record.js';
import { leavingOf, promisedBytes, type VolumeRecord } from '../../../src/cluster/model/volume.js';
import { decodeVolume } from '../../../src/cluster/model/volume-record.js';
import { decodeMirror, nobody, realMembers, type StoredMirror } from '../../../src/mirrors/record.js';
import { mirrorsPrefix } from '../../../src/mirrors/records.js';
import { snapshotsPrefix } from '../../../src/mirrors/snapshot-records.js';
import type { Change } from '../../../src/store/types.js';
import type { SimReplica } from './sim-engine.js';
import { SnapshotChecks } from './snapshot-checks.js';

/** The promise that is broken, in words. */
export class Violation extends Error {}

/** What a move for hosts' sake was decided by was so within this time before it. */
const settledMs = 20_000;

interface FollowedHosts {
  readonly from: string | undefined;
  readonly to: string;
  readonly atMs: number;
}

export interface HostsAtAsking {
  /** UUID of who asks. */
  readonly node: string;
  /** A host reached it, not long ago, while it did not reach the head's node. */
  readonly isBetter: boolean;
  /** When it changed last who reaches whom. */
  readonly changedMs: number;
}

/** Controllers that place at the same moment know nothing of each other: so long they may not. */
const togetherMs = 8_000;

export class Checks {
  readonly nodes = new Map<string, NodeRecord>();
  readonly volumes = new Map<string, VolumeRecord>();
  readonly mirrors = new Map<string, StoredMirror>();
  readonly violations: string[] = [];
  /** Clones that were made. */
  clones = 0;
  /** By UUID of the volume: writes that were acknowledged. */
  readonly #written = new Map<string, number>();
  /** By UUID of the replica. */
  readonly #placedMs = new Map<string, number>();

  /** By UUID of the volume: the last move of its head for hosts' sake. */
  readonly #followed = new Map<string, FollowedHosts>();
  readonly snapshots: SnapshotChecks;

  constructor(
    readonly nowMs: () => number,
    replicas: () => Iterable<SimReplica>,
  ) {
    this.snapshots = new SnapshotChecks({
      ...{ replicas, volumes: this.volumes, mirrors: this.mirrors },
      written: (volumeUuid) => this.#written.get(volumeUuid) ?? 0,
      violated: (text) => void this.violations.push(text),
    });
  }

  onChange(change: Change): void {
    const { key } = change;
    if (key.startsWith(nodesPrefix) && change.type === 'put') this.#onNode(decodeNode(key, change.value));
    if (key.startsWith(mirrorsPrefix)) {
      const name = key.slice(mirrorsPrefix.length);
      if (change.type === 'delete') this.mirrors.delete(name);
      else this.#onMirror(name, decodeMirror(name, change.value, change.revision));
    }
    if (key.startsWith(snapshotsPrefix)) this.snapshots.onChange(change);
    if (key.startsWith(volumesPrefix)) {
      const name = key.slice(volumesPrefix.length);
      if (change.type === 'delete') this.#onGone(name);
      else this.#onVolume(decodeVolume(key, change.value));
    }
  }

  /**
   * The store was lost, and what it says is made anew. What was promised of a volume holds if it is there;
   * who is in sync shows when its head serves.
   */
  onRebuilt(changes: readonly Change[]): void {
    const [volumes, mirrors] = [new Map(this.volumes), new Map(this.mirrors)];
    for (const known of [this.nodes, this.volumes, this.mirrors]) known.clear();
    this.snapshots.onStoreLost();
    for (const change of changes) this.onChange(change);
    for (const [name, { uuid, sizeBytes }] of this.volumes) {
      const before = volumes.get(name);
      if (before?.uuid !== uuid) continue;
      this.#must(sizeBytes >= before.sizeBytes, `'${name}' is made anew with ${sizeBytes} bytes`);
      const [is, was] = [this.mirrors.get(name)?.record, mirrors.get(name)?.record];
      if (is === undefined || was === undefined) continue;
      this.#must(is.epoch > was.epoch || was.epoch === 0n, `the epoch of '${name}' went back`);
      this.#must(is.blocksCount >= was.blocksCount, `'${name}' is made anew with ${is.blocksCount} blocks`);
    }
  }

  /** A node has asked for the head of a volume, because hosts reach it that do not reach the head. */
  onFollowed(before: VolumeRecord, volume: VolumeRecord, { node, isBetter, changedMs }: HostsAtAsking): void {
    const { name, uuid } = volume;
    const nowMs = this.nowMs();
    this.#must(isBetter, `'${name}' goes to ${node}, which no host reached that did not reach its head`);
    const isOnly = JSON.stringify(texts({ ...before, head: node })) === JSON.stringify(texts(volume));
    this.#must(isOnly, `${node} changes more of '${name}' than its head`);
    const last = this.#followed.get(uuid);
    if (last !== undefined && last.to === before.head) {
      this.#must(nowMs - last.atMs >= holdMs, `'${name}' goes on after ${nowMs - last.atMs} ms`);
      const isBack = last.from === node && changedMs < last.atMs - settledMs;
      this.#must(!isBack, `'${name}' goes back to ${node}, and nothing has changed for its hosts`);
    }
    this.#followed.set(uuid, { from: before.head, to: node, atMs: nowMs });
  }

  onDiscard(node: string, replica: string): void {
    for (const [name, { volumeUuid, record }] of this.mirrors) {
      const volume = this.volumes.get(name);
      if (volume?.uuid !== volumeUuid || volume.state === 'deleting') continue;
      const inSync = record.members.some((one) => one.uuid === replica && one.inSync);
      this.#must(!inSync, `data of ${replica} on ${node} goes, which is in sync of '${name}'`);
      const isWanted = volume.replicas.some(({ uuid }) => uuid === replica);
      this.#must(!isWanted, `data of ${replica} on ${node} goes, which is wanted of '${name}'`);
    }
  }

  /** All of them are in sync, and have it: it is acknowledged. */
  onWritten(volumeUuid: string, replicas: readonly SimReplica[], sizeBytes: bigint): void {
    this.onServing(volumeUuid, replicas, sizeBytes);
    const written = (this.#written.get(volumeUuid) ?? 0) + 1;
    this.#written.set(volumeUuid, written);
    for (const replica of replicas) replica.written = written;
  }

  /** Who is in sync has all that was acknowledged, and is no smaller than the head. */
  onServing(volumeUuid: string, replicas: readonly SimReplica[], sizeBytes: bigint): void {
    const written = this.#written.get(volumeUuid) ?? 0;
    const volume = [...this.volumes.values()].find((one) => one.uuid === volumeUuid);
    for (const { uuid, written: has, content, sizeBytes: hasBytes, base } of replicas) {
      const began = volume === undefined ? base : (volume.origin?.snapshot ?? '');
      this.#must(base === began, `${uuid} is in sync, and began as '${base}', not as '${began}'`);
      this.#must(hasBytes >= sizeBytes, `${uuid} has ${hasBytes} of the ${sizeBytes} bytes of its head`);
      this.#must(has >= written, `${uuid} is in sync with ${has} of ${written} acknowledged writes`);
      this.#must(content === 'complete', `${uuid} is in sync and its content is ${content}`);
    }
  }

  #onNode(node: NodeRecord): void {
    this.nodes.set(node.id, node);
    const others = [...this.nodes.values()].filter(
      ({ id, state }) => id !== node.id && state !== 'decommissioned',
    );
    if (node.state === 'decommissioned') return;
    this.#must(
      others.every(({ slot, name }) => slot !== node.slot && name !== node.name),
      `node ${node.name} has the slot or the name of another one`,
    );
  }

  #onMirror(name: string, stored: StoredMirror): void {
    const before = this.mirrors.get(name)?.record;
    this.mirrors.set(name, stored);
    if (before === undefined || before.epoch > stored.record.epoch) {
      this.#must(before === undefined, `the epoch of '${name}' went back`);
      return;
    }
    const inSync = (members: StoredMirror['record']['members']) => members.filter((one) => one.inSync);
    const left = inSync(stored.record.members);
    this.#must(left.length > 0, `'${name}' has lost its last member in sync`);
    // Who is left was in sync before, or has been copied to: never a record of others altogether.
    const kept = left.some(({ uuid }) => inSync(before.members).some((one) => one.uuid === uuid));
    this.#must(kept, `'${name}' has no member in sync of those before`);
    const gone = realMembers(before).filter(
      ({ uuid }) => !realMembers(stored.record).some((one) => one.uuid === uuid),
    );
    const whole = left.map(({ uuid }) => uuid);
    for (const { uuid } of gone) this.snapshots.onLeft(name, uuid, whole);
  }

  #onVolume(volume: VolumeRecord): void {
    const { name, uuid, wishes, replicas } = volume;
    const before = this.volumes.get(name);
    this.volumes.set(name, volume);
    if (volume.origin !== undefined && before?.state === 'creating' && volume.state === 'ready') {
      this.clones += 1;
    }
    for (const { uuid: replica } of replicas) {
      if (!this.#placedMs.has(replica)) this.#placedMs.set(replica, this.nowMs());
    }
    if (before !== undefined && before.sizeBytes > volume.sizeBytes)
      this.#must(false, `'${name}' became smaller`);
    if (before !== undefined && before.uuid !== uuid) this.#must(false, `'${name}' became another volume`);
    if (volume.state === 'deleting') return;
    this.#must(replicas.length > 0, `'${name}' has no replica`);
    this.#checkPlaces(volume, before);
    if (before !== undefined) this.#checkLeft(before, volume);
    if (wishes.apartGroup !== undefined) this.#checkApart(volume);
  }

  #checkPlaces(volume: VolumeRecord, before: VolumeRecord | undefined): void {
    const { name, wishes, replicas } = volume;
    const all = [...replicas, ...leavingOf(volume)].map(({ node }) => node);
    this.#must(new Set(all).size === all.length, `'${name}' has two replicas on one node`);
    const added = replicas.filter(({ uuid }) => before?.replicas.every((one) => one.uuid !== uuid) ?? true);
    for (const { node } of added) {
      const zone = this.nodes.get(node)?.zone;
      const shared = replicas.filter((one) => this.nodes.get(one.node)?.zone === zone);
      this.#must(wishes.spread !== 'zone' || shared.length === 1, `'${name}' has two replicas in ${zone}`);
      this.#must(
        this.nodes.get(node)?.state !== 'decommissioned',
        `'${name}' goes to ${node}, which is gone`,
      );
    }
  }

  #checkLeft(before: VolumeRecord, volume: VolumeRecord): void {
    const { name, wishes } = volume;
    const record = this.mirrors.get(name)?.record;
    const left = before.replicas.filter(({ uuid }) => volume.replicas.every((one) => one.uuid !== uuid));
    for (const { uuid, node } of left) {
      const whole = volume.replicas.filter((one) =>
        record?.members.some((member) => member.uuid === one.uuid && member.inSync),
      );
      const sum = `${whole.length} of ${wishes.replicas} in sync without it`;
      this.#must(whole.length >= wishes.replicas, `${uuid} leaves '${name}' with ${sum}`);
      const isHead = record !== undefined && !record.headStopped && record.head === node;
      this.#must(!isHead, `${uuid} leaves '${name}' from under its head`);
    }
    const forgotten = leavingOf(before).filter(({ uuid }) =>
      leavingOf(volume).every((one) => one.uuid !== uuid),
    );
    for (const { uuid } of forgotten) {
      const isMember = record?.members.some((member) => member.uuid === uuid) ?? false;
      this.#must(!isMember, `${uuid} is forgotten and still a member of '${name}'`);
    }
  }

  #checkApart({ name, wishes, replicas }: VolumeRecord): void {
    for (const other of this.volumes.values()) {
      if (other.name === name || other.wishes.apartGroup !== wishes.apartGroup) continue;
      if (other.state === 'deleting') continue;
      for (const one of replicas) {
        const there = other.replicas.find(({ node }) => node === one.node);
        if (there === undefined) continue;
        const apartMs = Math.abs(this.#placed(one.uuid) - this.#placed(there.uuid));
        this.#must(apartMs < togetherMs, `'${name}' and '${other.name}' are both on ${one.node}`);
      }
    }
  }

  #placed(replica: string): number {
    return this.#placedMs.get(replica) ?? 0;
  }

  #onGone(name: string): void {
    const volume = this.volumes.get(name);
    this.volumes.delete(name);
    this.#must(volume?.state === 'deleting', `the record of '${name}' went, and it was ${volume?.state}`);
    const all = volume === undefined ? [] : [...volume.replicas, ...leavingOf(volume)];
    this.#must(all.length === 0, `the record of '${name}' went with ${all.length} replicas`);
    this.snapshots.onVolumeGone(name);
  }

  #must(isSo: boolean, text: string): void {
    if (!isSo) this.violations.push(text);
  }
}

/** Whole numbers have no other form in JSON, and the order of fields is that of one who reads records. */
function texts(volume: VolumeRecord): readonly (readonly [string, string])[] {
  const text = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value);
  const fields = Object.entries(volume).map(([key, value]) => [key, JSON.stringify(value, text)] as const);
  return fields.sort(([one], [other]) => (one < other ? -1 : 1));
}

/** What is missing of a volume that is as it should be; undefined: nothing. */
export function missingOf(volume: VolumeRecord, { mirrors, snapshots }: Checks): string | undefined {
  const { state, wishes, replicas, head, name } = volume;
  if (state !== 'ready') return `it is ${state}`;
  if (replicas.length !== wishes.replicas) return `it has ${replicas.length} of ${wishes.replicas} replicas`;
  if (leavingOf(volume).length > 0) return `${leavingOf(volume).length} replicas are leaving`;
  const record = mirrors.get(name)?.record;
  if (record === undefined) return 'it has no mirror record';
  if (record.headStopped || record.head === nobody) return 'it has no head';
  if (record.head !== head) return `its head is ${record.head}, and ${head} is wanted`;
  const members = realMembers(record);
  if (members.length !== replicas.length) return `it has ${members.length} members`;
  const size = sizeOf(record);
  if (volume.wantedSizeBytes !== undefined || size !== volume.sizeBytes) {
    return `it has ${size} bytes, says ${volume.sizeBytes}, and is to have ${promisedBytes(volume)}`;
  }
  const stale = replicas.filter(({ uuid }) => !members.some((one) => one.uuid === uuid && one.inSync));
  return stale.length > 0 ? `${stale.length} replicas are not in sync` : snapshots.missingOf(volume);
}
