// The volumes of a cluster, as they are asked for: made, moved, let in, deleted. A request writes what is
// wanted and answers; the leading controller and the agents make it so. Any controller takes requests.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { ClusterVolumeStateError } from '../base/cluster-errors.js';
import { VolumeNotFoundError } from '../base/control-errors.js';
import { DuplicateVolumeError, InvalidArgumentError } from '../base/errors.js';
import { KeyedLock } from '../base/keyed-lock.js';
import { checkNqn, volumeNqn } from '../base/nqn.js';
import { VolumeInUseError } from '../base/pool-errors.js';
import type { QosWords } from '../base/qos.js';
import { nodeKey, volumeKey } from '../cluster/model/keys.js';
import { takesNewHeads } from '../cluster/model/node.js';
import {
  createVolume,
  deleteVolume,
  type PlacedReplica,
  type PlacementWishes,
  type VolumeRecord,
  wantHead,
} from '../cluster/model/volume.js';
import { decodeVolume, encodeVolume } from '../cluster/model/volume-record.js';
import { placeAll } from '../cluster/placement/place.js';
import { encodeMirror, nobody, type StoredMirror } from '../mirrors/record.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import {
  baseSnapshotName,
  decodeSnapshot,
  isCloned,
  snapshotsPrefixOf,
} from '../mirrors/snapshot-records.js';
import type { Store } from '../store/types.js';
import {
  type CloneSource,
  cloneBytes,
  cloneWishes,
  holdSource,
  originOf,
  placeClone,
  sourceOf,
} from './clones.js';
import type { ClusterSnapshot, ClusterState } from './cluster-state.js';
import { type Explanation, explainVolume } from './explain.js';
import { withSize } from './growth.js';
import { nodesBehind, withHost, withoutHost } from './host-grants.js';
import type { Nodes } from './nodes.js';
import { Planning } from './planning.js';
import { poolViews } from './pools.js';
import { withQos } from './qos.js';
import { failIfRefused } from './refused-store.js';
import type { ClusterPoolView, ClusterVolumeView, VolumeWish } from './types.js';
import { volumeHealth, volumeView } from './views.js';

export interface ClusterVolumesOptions {
  readonly store: Store;
  readonly state: ClusterState;
  readonly nodes: Pick<Nodes, 'find' | 'snapshot'>;
  readonly clock: Clock;
  readonly replaceAfterMs: number;
  /** Of a volume, a replica. Default: one that was never there. */
  readonly newUuid?: () => string;
}

/** A record that is changed by others, too, is tried again so often. */
const attemptsMax = 8;
/** What was asked for is waited for so long; it goes on after that. */
export const waitMsMax = 10_000;
/** In place of the name of a volume, where a change of a node is waited for. */
const anyNode = '';

export class ClusterVolumes {
  readonly #options: ClusterVolumesOptions;
  /** Made a moment ago, and not seen in the store yet: their places count. */
  readonly #fresh = new Map<string, VolumeRecord>();
  readonly #growths = new KeyedLock();
  /** Who waits for a change of a volume, by its name, or of any node. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(options: ClusterVolumesOptions) {
    this.#options = options;
    options.state.onChange((change) => {
      if (change === 'facts') return;
      const told = change === 'nodes' ? [...this.#waiting.values()] : [this.#waiting.get(change.volume)];
      for (const looks of told) for (const look of [...(looks ?? [])]) look();
    });
  }

  list(): readonly ClusterVolumeView[] {
    const snapshot = this.#options.nodes.snapshot();
    const planning = this.#planning(snapshot);
    return [...snapshot.volumes.values()].map(({ record }) =>
      volumeView(record, snapshot, planning.stepOf(record)),
    );
  }

  /** By name or UUID. */
  get(name: string): ClusterVolumeView {
    const snapshot = this.#options.nodes.snapshot();
    const record = findVolume(snapshot, name);
    return volumeView(record, snapshot, this.#planning(snapshot).stepOf(record));
  }

  explain(name: string): Explanation {
    return explainVolume(this.get(name));
  }

  /** Answers when it can be used, or after a while: its state says so. */
  async create(wish: VolumeWish): Promise<ClusterVolumeView> {
    const { name } = wish;
    failIfRefused(this.#options.nodes.snapshot());
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const { record, source } = this.#place(wish);
      this.#fresh.set(name, record);
      try {
        if (await this.#put(record, source)) {
          await this.#until(name, (volume) => volume !== undefined && this.#isUsable(volume));
          return this.get(name);
        }
      } finally {
        this.#fresh.delete(name);
      }
    }
    throw new ClusterVolumeStateError(name, 'has no place: nodes are being changed all the time; try again');
  }

  /** False: a node that was chosen has changed, and may not take replicas any more. */
  async #put(record: VolumeRecord, source: CloneSource | undefined): Promise<boolean> {
    const { store, nodes } = this.#options;
    const { name } = record;
    const cloned = source && (await holdSource(store, record, source));
    const revisionOf = (node: string) => nodes.snapshot().nodes.get(node)?.revision ?? 0n;
    const chosen = record.replicas.map(({ node }) => ({ node, revision: revisionOf(node) }));
    const { ok } = await store.commit(
      [
        ...[volumeKey(name), mirrorsPrefix + name].map((key) => ({ key, revision: 0n })),
        ...chosen.map(({ node, revision }) => ({ key: nodeKey(node), revision })),
        ...(cloned?.looked ?? []),
      ],
      [
        ...(cloned?.writes ?? []),
        { type: 'put', key: volumeKey(name), value: encodeVolume(record) },
        { type: 'put', key: mirrorsPrefix + name, value: encodeMirror(newMirror(record)) },
      ],
    );
    if (ok) return true;
    const there = await Promise.all([volumeKey(name), mirrorsPrefix + name].map((key) => store.get(key)));
    if (there.some((one) => one !== undefined)) throw duplicate(name);
    if (source !== undefined) return false; // its records may change often, as the snapshot is carried
    // It is seen here soon; what is there then decides.
    await this.#wait(anyNode, () => chosen.some(({ node, revision }) => revisionOf(node) !== revision));
    return false;
  }

  /** Answers when it is gone, or after a while: what keeps it is in its view. */
  async delete(name: string, { force = false } = {}): Promise<void> {
    const known = findVolume(this.#options.nodes.snapshot(), name);
    await this.#change(known.name, async (volume) => {
      if (volume.state !== 'deleting') await this.#refuseWithSnapshots(volume.name);
      if (!force && volume.state !== 'deleting' && (volume.hosts?.length ?? 0) > 0) {
        throw new ClusterVolumeStateError(
          name,
          `is granted to ${volume.hosts?.length} hosts; revoke or force it`,
        );
      }
      return deleteVolume(volume);
    });
    await this.#until(known.name, (volume) => volume?.uuid !== known.uuid);
  }

  /** `node`: by name or UUID. Its head ends there in order and begins here; hosts see a short pause. */
  async moveHead(name: string, node: string): Promise<ClusterVolumeView> {
    const { nodes } = this.#options;
    const { id, name: nodeName } = nodes.find(node);
    await this.#change(name, (volume) => {
      const wanted = wantHead(volume, id);
      const target = nodes.find(id);
      if (!takesNewHeads(target)) {
        const reason = `cannot have its head on '${nodeName}', which is ${target.state}; uncordon it first`;
        throw new ClusterVolumeStateError(volume.name, reason);
      }
      const uuid = volume.replicas.find((replica) => replica.node === id)?.uuid;
      const record = nodes.snapshot().mirrors.get(volume.name)?.record;
      const inSync = record?.members.some((member) => member.uuid === uuid && member.inSync);
      if (inSync !== true || !nodes.snapshot().facts.has(id)) {
        const reason = `cannot have its head on '${nodeName}': its replica there is not in sync, or away`;
        throw new ClusterVolumeStateError(volume.name, reason);
      }
      return wanted;
    });
    return this.get(name);
  }

  /** All pools of the cluster, by name. */
  pools(): readonly ClusterPoolView[] {
    return poolViews(this.#planning(this.#options.nodes.snapshot()).candidates());
  }

  /** Limits and guarantees, in place of those before; undefined: none any more. */
  async setQos(name: string, qos: QosWords | undefined): Promise<ClusterVolumeView> {
    const { nodes } = this.#options;
    await this.#change(name, (volume) => withQos(volume, qos, this.#planning(nodes.snapshot()).candidates()));
    return this.get(name);
  }

  /**
   * Never smaller; what it has already takes back what was wanted. Answers when it is so large, or after a
   * while: it grows when all its replicas are in sync, and its view says what it waits for.
   */
  async resize(name: string, sizeBytes: bigint): Promise<ClusterVolumeView> {
    const { nodes } = this.#options;
    // One after the other, so that each sees what was promised to those before.
    await this.#growths.exclusive('size', () =>
      this.#change(name, (volume) => {
        const planning = this.#planning(nodes.snapshot(), this.#fresh.values());
        return withSize(volume, sizeBytes, planning.candidates(), planning.saidOf);
      }),
    );
    const { name: known, uuid } = findVolume(nodes.snapshot(), name);
    await this.#until(known, (volume) => volume?.uuid !== uuid || volume.wantedSizeBytes === undefined);
    return this.get(name);
  }

  /** Answers when it is let in, and nobody else any more. */
  async grantHost(name: string, nqn: string, { exclusive = false } = {}): Promise<ClusterVolumeView> {
    checkNqn(nqn);
    await this.#told(name, await this.#change(name, (volume) => withHost(volume, nqn, exclusive)));
    return this.get(name);
  }

  /** Answers when none of its I/O can take effect any more. Again is nothing, but waits as the first time. */
  async revokeHost(name: string, nqn: string): Promise<ClusterVolumeView> {
    checkNqn(nqn);
    await this.#told(name, await this.#change(name, (volume) => withoutHost(volume, nqn)));
    return this.get(name);
  }

  /** Fails while others may use it, too, as after a revocation that did not come to an end. */
  async hosts(name: string): Promise<ClusterVolumeView> {
    await this.#told(name, await this.#change(name, (volume) => volume));
    return this.get(name);
  }

  /** All nodes that count keep to the hosts of the record of this revision. */
  async #told(name: string, revision: bigint): Promise<void> {
    const behind = () => {
      const snapshot = this.#options.nodes.snapshot();
      const volume = lookUp(snapshot, name);
      return volume === undefined ? [] : nodesBehind(volume, revision, snapshot);
    };
    const { name: known = name } = lookUp(this.#options.nodes.snapshot(), name) ?? {};
    await this.#wait(known, () => behind().length === 0);
    const nodes = behind();
    if (nodes.length === 0) return;
    const who = nodes.map((node) => `'${node}'`).join(', ');
    const reason = `may still be used as before at ${who}, which did not say otherwise in time; try again`;
    throw new ClusterVolumeStateError(name, reason);
  }

  /** As a daemon with pools. After the record of the volume was read: a wish for one changes that. */
  async #refuseWithSnapshots(name: string): Promise<void> {
    const { entries } = await this.#options.store.list(snapshotsPrefixOf(name));
    const all = entries.map(decodeSnapshot).filter((one) => one.name !== baseSnapshotName);
    const { length } = all.filter(({ snapshot }) => snapshot.state !== 'deleting' || isCloned(snapshot));
    if (length === 0) return;
    const snapshots = length === 1 ? 'a snapshot' : `${length} snapshots`;
    throw new VolumeInUseError(name, `it has ${snapshots}; delete ${length === 1 ? 'it' : 'them'} first`);
  }

  #isUsable(volume: VolumeRecord): boolean {
    const snapshot = this.#options.nodes.snapshot();
    const health = volumeHealth(volume, snapshot, snapshot.mirrors.get(volume.name)?.record);
    return health === 'healthy' || health === 'degraded';
  }

  #place(wish: VolumeWish): { readonly record: VolumeRecord; readonly source: CloneSource | undefined } {
    const { clock, nodes, newUuid = randomUUID } = this.#options;
    const { name, hosts, qos } = wish;
    const snapshot = nodes.snapshot();
    if (snapshot.volumes.has(name) || this.#fresh.has(name)) throw duplicate(name);
    const source =
      wish.source && sourceOf(snapshot, findVolume(snapshot, wish.source.volume), wish.source.snapshot);
    const wishes = wishesOf(wish, source && cloneWishes(source));
    const sizeBytes = source === undefined ? wish.sizeBytes : cloneBytes(source, wish.sizeBytes);
    if (sizeBytes === undefined) throw new InvalidArgumentError('sizeBytes', 'given, for an empty volume');
    const candidates = this.#planning(snapshot, this.#fresh.values()).candidates();
    const request = { name, sizeBytes, minIops: qos?.minIops ?? 0, wishes, keep: [] };
    const places =
      source === undefined ? placeAll(request, candidates) : placeClone(source, request, candidates);
    const uuid = newUuid();
    const record = createVolume(
      {
        ...{ name, uuid, nqn: volumeNqn(uuid), sizeBytes, wishes },
        blockSizeBytes: source?.volume.record.blockSizeBytes ?? wish.blockSizeBytes ?? 4096,
        ...(hosts !== undefined && { hosts }),
        ...(qos !== undefined && { qos }),
        ...(source !== undefined && { origin: originOf(source, wish.source?.asVolume) }),
      },
      places.map((one): PlacedReplica => ({ uuid: newUuid(), ...one })),
      clock.date(),
    );
    return { record, source };
  }

  /** The revision by which the record is as `change` left it; what is seen here is no older. */
  async #change(
    name: string,
    change: (volume: VolumeRecord) => VolumeRecord | Promise<VolumeRecord>,
  ): Promise<bigint> {
    const { store, nodes } = this.#options;
    failIfRefused(nodes.snapshot());
    const key = volumeKey(findVolume(nodes.snapshot(), name).name);
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const found = await store.get(key);
      if (found === undefined) throw new VolumeNotFoundError(name);
      const volume = decodeVolume(key, found.value);
      const next = await change(volume);
      if (next === volume) return this.#seen(volume.name, found.revision);
      const { ok, revision } = await store.commit(
        [{ key, revision: found.revision }],
        [{ type: 'put', key, value: encodeVolume(next) }],
      );
      if (ok) return this.#seen(volume.name, revision);
    }
    throw new ClusterVolumeStateError(name, 'is being changed by others all the time; try again');
  }

  /** What was written a moment ago is seen by who asks next. */
  async #seen(name: string, revision: bigint): Promise<bigint> {
    await this.#wait(name, () => {
      const stored = this.#options.nodes.snapshot().volumes.get(name);
      return stored === undefined || stored.revision >= revision;
    });
    return revision;
  }

  async #until(name: string, isDone: (volume: VolumeRecord | undefined) => boolean): Promise<void> {
    await this.#wait(name, () => isDone(this.#options.nodes.snapshot().volumes.get(name)?.record));
  }

  /** Looks again with each change of the volume of this name, and of a node, for a while. */
  async #wait(what: string, isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    const looks = this.#waiting.get(what) ?? new Set();
    this.#waiting.set(what, looks);
    await new Promise<void>((resolve) => {
      const end = () => {
        stop();
        looks.delete(look);
        if (looks.size === 0 && this.#waiting.get(what) === looks) this.#waiting.delete(what);
        resolve();
      };
      const look = () => {
        if (isDone()) end();
      };
      const stop = this.#options.clock.after(waitMsMax, end);
      looks.add(look);
    });
  }

  #planning(snapshot: ClusterSnapshot, unseen: Iterable<VolumeRecord> = []): Planning {
    const { clock, replaceAfterMs } = this.#options;
    return new Planning(snapshot, { newUuid: randomUUID, nowMs: clock.steadyMs(), replaceAfterMs, unseen });
  }
}

function duplicate(name: string): DuplicateVolumeError {
  return new DuplicateVolumeError(name, 'there is one of this name in the cluster');
}

function lookUp({ volumes }: ClusterSnapshot, name: string): VolumeRecord | undefined {
  const uuid = name.toLowerCase();
  return (
    volumes.get(name)?.record ?? [...volumes.values()].find(({ record }) => record.uuid === uuid)?.record
  );
}

/** By name or UUID. */
export function findVolume(snapshot: ClusterSnapshot, name: string): VolumeRecord {
  const found = lookUp(snapshot, name);
  if (found === undefined) throw new VolumeNotFoundError(name);
  return found;
}

const replicasDefault = 3;

/**
 * Of two or fewer one is enough to go on: the store decides who has all that was acknowledged. `origin`: what
 * is wished where nothing is said.
 */
function wishesOf(wish: VolumeWish, origin?: PlacementWishes): PlacementWishes {
  const { replicas = origin?.replicas ?? replicasDefault, apartGroup } = wish;
  const { thick = origin?.thick ?? false, spread = origin?.spread ?? 'prefer-zone' } = wish;
  const { pool = origin?.pool, nodeLabels = origin?.nodeLabels, zones = origin?.zones } = wish;
  const usual = wish.replicas === undefined ? origin?.minInSync : undefined;
  const { minInSync = usual ?? (replicas > 2 ? 2 : 1) } = wish;
  return {
    ...{ replicas, minInSync, thick, spread },
    ...(pool !== undefined && { pool }),
    ...(nodeLabels !== undefined && { nodeLabels }),
    ...(zones !== undefined && { zones }),
    ...(apartGroup !== undefined && { apartGroup }),
  };
}

/**
 * Nobody has written yet: all replicas are in sync, and there is no head that would have to be waited for.
 * Members stand in the order of their UUIDs, which is another order of nodes for each volume: the first of
 * those that are left takes over, and the heads of a node that ends are to go to all the others.
 */
function newMirror({ uuid, replicas, wishes, sizeBytes, blockSizeBytes }: VolumeRecord): StoredMirror {
  const members = replicas.map((replica) => replica.uuid).sort();
  return {
    volumeUuid: uuid,
    record: {
      ...{ revision: 0n, epoch: 0n, head: nobody, headStopped: true, minInSync: wishes.minInSync },
      members: members.map((member) => ({ uuid: member, inSync: true, sealedEpoch: 0n })),
      ...{ blockSizeBytes, blocksCount: sizeBytes / BigInt(blockSizeBytes) },
    },
  };
}
