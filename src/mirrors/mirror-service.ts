// Everything of this room put together: replicas and mirrored volumes of this daemon, one for each daemon,
// made in src/main when the engine runs and pools are open. Closed after the engine, before the store.
import { type Clock, systemClock } from '../base/clock.js';
import { KeyedLock } from '../base/keyed-lock.js';
import type { Log } from '../base/log.js';
import { MirrorConflictError, MirrorNotFoundError } from '../base/mirror-errors.js';
import type { MirrorSpec } from '../base/mirror-spec.js';
import { engineLimits } from '../base/qos.js';
import type { VolumeInfo } from '../native/types.js';
import type { Store } from '../store/types.js';
import { SnapshotCarrying } from './carrying.js';
import { MemberChanges, type ServedMembers } from './member-changes.js';
import {
  checkKnown,
  checkReplicasFit,
  localNames,
  type Member,
  membersOf,
  newMirror,
  placeOf,
  reachOf,
} from './membership.js';
import { PlacesStore } from './places.js';
import { nobody, type StoredMirror } from './record.js';
import { MirrorRecords } from './records.js';
import { type Beginning, Replicas } from './replicas.js';
import { SnapshotRecords } from './snapshot-records.js';
import { MirrorSnapshots } from './snapshots.js';
import { StoreBridge } from './store-bridge.js';
import type {
  MirrorSnapshotView,
  MirrorsEngine,
  MirrorView,
  OpenedMirrors,
  Wanted,
  WantedMirror,
} from './types.js';
import { mirrorView } from './view.js';

export interface MirrorServiceOptions {
  readonly engine: MirrorsEngine;
  readonly store: Store;
  readonly log: Log;
  readonly storeTimeoutMs?: number;
  readonly clock?: Clock;
}

interface Served extends ServedMembers {
  info: VolumeInfo;
}

export class MirrorService {
  readonly #engine: MirrorsEngine;
  readonly #records: MirrorRecords;
  readonly #bridge: StoreBridge;
  readonly #served = new Map<string, Served>();
  readonly #replicas: Replicas;
  readonly #places: PlacesStore;
  readonly #changes: MemberChanges;
  readonly #snapshots: MirrorSnapshots;
  readonly #carrying: SnapshotCarrying;
  readonly #locks = new KeyedLock();

  constructor({ engine, store, log, storeTimeoutMs, clock }: MirrorServiceOptions) {
    this.#engine = engine;
    this.#records = new MirrorRecords(store);
    this.#replicas = new Replicas(engine);
    this.#places = new PlacesStore(store);
    this.#changes = new MemberChanges({
      engine,
      places: this.#places,
      clock: clock ?? systemClock,
      find: (replica) => this.#replicas.find(replica),
    });
    const records = new SnapshotRecords(store);
    const memberName = (volume: string, uuid: string) => this.#memberName(volume, uuid);
    this.#snapshots = new MirrorSnapshots(engine, records, clock ?? systemClock);
    this.#carrying = new SnapshotCarrying({ engine, records, log, memberName, clock: clock ?? systemClock });
    this.#bridge = new StoreBridge({
      records: this.#records,
      log,
      answer: (volume, answer) => engine.answerStore(volume, answer),
      memberName,
      onRecord: (volume) => this.#carrying.wake(volume),
      ...(storeTimeoutMs !== undefined && { timeoutMs: storeTimeoutMs }),
      ...(clock !== undefined && { clock }),
    });
  }

  /**
   * Once, at the start. Fails at the first that is not as it must be; a pool that is not open keeps only what
   * is in it from being served.
   */
  async open({ replicas, mirrors, host }: Wanted): Promise<OpenedMirrors> {
    // What is damaged is found before anything is made.
    const known = new Map<string, StoredMirror>();
    for (const { spec } of mirrors) {
      const stored = await this.#records.get(spec.name);
      if (stored !== undefined) known.set(spec.name, stored);
    }
    const opened = this.#replicas;
    for (const spec of replicas) await opened.open(spec, beginningOf(spec.name, mirrors, known));
    const volumes: VolumeInfo[] = [];
    const problems = [...opened.problems];
    if (mirrors.length === 0) return { replicas: opened.opened, volumes, problems };
    this.#engine.listenToMirrors({ onStoreRequest: (request) => this.#bridge.request(request) });
    const node = await this.#records.node();
    for (const wanted of mirrors) {
      const { spec } = wanted;
      const missing = localNames(spec).find((name) => opened.problemOf(name) !== undefined);
      if (missing !== undefined) {
        problems.push(`mirror ${spec.name}: its member, replica ${missing}, is not there`);
        continue;
      }
      const members = membersOf(spec, (name) => opened.find(name));
      const { stored, ordered } = await this.#record(wanted, known.get(spec.name), members);
      volumes.push(await this.#serve(wanted, stored, ordered, { node, ...host }));
    }
    return { replicas: opened.opened, volumes, problems };
  }

  async list(): Promise<readonly MirrorView[]> {
    return Promise.all([...this.#served.keys()].map((name) => this.get(name)));
  }

  async get(name: string): Promise<MirrorView> {
    const served = this.#find(name);
    const view = mirrorView(served.info, served.members, await this.#engine.mirrorInfo(name));
    const snapshots = await this.#listSnapshots(name);
    return snapshots.length === 0 ? view : { ...view, snapshots };
  }

  /** `member`: the name of a replica of this daemon, or the address of another's. */
  async addMember(name: string, member: string): Promise<MirrorView> {
    const served = this.#find(name);
    await this.#locks.exclusive(name, () => this.#changes.add(served, member));
    return this.get(name);
  }

  /** `member`: as for addMember(), or the UUID of the replica. */
  async removeMember(name: string, member: string): Promise<MirrorView> {
    const served = this.#find(name);
    await this.#locks.exclusive(name, () => this.#changes.remove(served, member));
    return this.get(name);
  }

  /** Larger, while it is served: its members first, then its record; then hosts are told. */
  async resize(name: string, sizeBytes: bigint): Promise<MirrorView> {
    const served = this.#find(name);
    await this.#locks.exclusive(name, async () => {
      await this.#changes.grow(name, sizeBytes);
      served.info = { ...served.info, sizeBytes: await this.#engine.resizeMirror(name) };
    });
    return this.get(name);
  }

  /** Of all members in sync, of one moment. */
  async snapshot(name: string, snapshot: string): Promise<MirrorSnapshotView> {
    this.#find(name);
    try {
      return await this.#locks.exclusive(name, () => this.#snapshots.take(name, snapshot));
    } finally {
      this.#carrying.wake(name);
    }
  }

  async snapshots(name: string): Promise<readonly MirrorSnapshotView[]> {
    this.#find(name);
    return this.#listSnapshots(name);
  }

  async deleteSnapshot(name: string, snapshot: string): Promise<void> {
    this.#find(name);
    await this.#locks.exclusive(name, () =>
      this.#carrying.without(name, () => this.#snapshots.delete(name, snapshot)),
    );
  }

  /** Compares all members in sync; begun when it resolves. */
  async startVerify(name: string): Promise<MirrorView> {
    this.#find(name);
    await this.#engine.startMirrorVerify(name);
    return this.get(name);
  }

  async cancelVerify(name: string): Promise<MirrorView> {
    this.#find(name);
    await this.#engine.cancelMirrorVerify(name);
    return this.get(name);
  }

  /**
   * Of copies to members, until the daemon ends; undefined: as fast as it goes, and slower beside I/O of
   * hosts.
   */
  async setResyncRate(name: string, bytesPerSecond: bigint | undefined): Promise<MirrorView> {
    this.#find(name);
    await this.#engine.setMirrorResyncRate(name, bytesPerSecond ?? 0n);
    return this.get(name);
  }

  async #listSnapshots(name: string): Promise<readonly MirrorSnapshotView[]> {
    const listed = await this.#snapshots.list(name);
    return listed.map((one) => {
      const troubles = one.state === 'degraded' ? this.#carrying.troublesOf(name, one.uuid) : [];
      return troubles.length === 0 ? one : { ...one, troubles };
    });
  }

  #find(name: string): Served {
    const served = this.#served.get(name);
    if (served === undefined) throw new MirrorNotFoundError(name);
    return served;
  }

  /** Before the engine is closed: nothing is carried between members any more. */
  stopCarrying(): Promise<void> {
    return this.#carrying.close();
  }

  /** When the engine is closed: what heads asked for last is done then, or its time is over. */
  async close(): Promise<void> {
    await this.stopCarrying();
    await this.#bridge.close();
  }

  /** The record as it is in the store, made where there is none, with what was asked for anew. */
  async #record(
    { spec, identity }: WantedMirror,
    known: StoredMirror | undefined,
    members: readonly Member[],
  ): Promise<{ readonly stored: StoredMirror; readonly ordered: readonly (Member | undefined)[] }> {
    const { name, minInSync } = spec;
    const ordered = known === undefined ? members : await this.#knownMembers(spec, known, members);
    const mirror = known ?? newMirror(spec, identity.uuid, members);
    checkReplicasFit(name, mirror, real(ordered));
    const wanted = minInSync ?? mirror.record.minInSync;
    if (known !== undefined && wanted === mirror.record.minInSync) return { stored: mirror, ordered };
    const next = { ...mirror, record: { ...mirror.record, minInSync: wanted } };
    const record = await this.#records.swap(name, next);
    if (record === undefined) throw new MirrorConflictError(name, 'its record was changed by somebody else');
    return { stored: { ...next, record }, ordered };
  }

  async #knownMembers(
    spec: MirrorSpec,
    known: StoredMirror,
    members: readonly Member[],
  ): Promise<readonly (Member | undefined)[]> {
    const { added, removed } = await this.#places.get(spec.name);
    const isMember = (uuid: string) => known.record.members.some((member) => member.uuid === uuid);
    const beside = [...added].filter(([uuid]) => isMember(uuid)).map(([, place]) => place);
    const find = (replica: string) => this.#replicas.find(replica);
    return checkKnown(spec, known, members, {
      added: membersOf({ name: spec.name, members: beside }, find),
      removed,
    });
  }

  async #serve(
    { spec, identity }: WantedMirror,
    { volumeUuid, record }: StoredMirror,
    places: readonly (Member | undefined)[],
    head: { readonly node: string; readonly hostNqn: string; readonly hostId: string },
  ): Promise<VolumeInfo> {
    const { name, allowedHosts, qos } = spec;
    this.#bridge.serve(name, volumeUuid, record);
    const info = await this.#engine.addVolume({
      name,
      kind: 'mirror',
      nqn: identity.nqn,
      uuid: volumeUuid,
      ...(allowedHosts.length > 0 && { hosts: allowedHosts }),
      ...(qos !== undefined && { qos: engineLimits(qos) }),
      mirror: { members: await Promise.all(places.map(reachOrNobody)), record, ...head, ...tuningOf(spec) },
    });
    this.#served.set(name, { info, name, volumeUuid, members: real(places) });
    this.#carrying.wake(name);
    return info;
  }

  #memberName(volume: string, uuid: string): string {
    const member = this.#served.get(volume)?.members.find((one) => one.uuid === uuid);
    return member === undefined ? uuid : `${uuid} (${placeOf(member)})`;
  }
}

/** All of a new volume is what its first member has; every other replica begins with nothing. */
function beginningOf(
  replica: string,
  mirrors: readonly WantedMirror[],
  known: ReadonlyMap<string, StoredMirror>,
): Beginning {
  const owner = mirrors.find(({ spec }) => {
    const [first] = spec.members;
    const isFirst = first?.kind === 'replica' ? first.name === replica : spec.name === replica;
    return first?.kind !== 'remote' && isFirst;
  });
  if (owner === undefined || known.has(owner.spec.name)) return {};
  return { content: 'complete', volumeUuid: owner.identity.uuid };
}

function real(places: readonly (Member | undefined)[]): readonly Member[] {
  return places.flatMap((member) => member ?? []);
}

async function reachOrNobody(member: Member | undefined): ReturnType<typeof reachOf> {
  return member === undefined ? { uuid: nobody } : reachOf(member);
}

function tuningOf({ leaseMs, latencyBudgetMs, resyncBytesPerSecond, belowMin }: MirrorSpec) {
  return {
    failBelowMin: belowMin === 'fail',
    ...(leaseMs !== undefined && { leaseMs }),
    ...(latencyBudgetMs !== undefined && { latencyBudgetMs }),
    ...(resyncBytesPerSecond !== undefined && { resyncBytesPerSecond }),
  };
}
