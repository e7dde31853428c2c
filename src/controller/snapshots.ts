// Snapshots of the volumes of a cluster, as they are asked for. A request writes what is wanted into its
// record and waits; the agent of the volume's head does it (src/agent/node-snapshots.ts). Any controller
// takes requests. One that is not taken in time is not wanted any more: who was told that there is none
// must not find one later.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import { ClusterUnsupportedError, ClusterVolumeStateError } from '../base/cluster-errors.js';
import { VolumeNotFoundError } from '../base/control-errors.js';
import { InvalidArgumentError } from '../base/errors.js';
import { SnapshotExistsError, SnapshotNotFoundError } from '../base/pool-errors.js';
import { volumeNamePattern } from '../base/volume-spec.js';
import { volumeKey } from '../cluster/model/keys.js';
import type { VolumeRecord } from '../cluster/model/volume.js';
import { decodeVolume } from '../cluster/model/volume-record.js';
import { restsMax } from '../mirrors/head-snapshots.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  isCloned,
  type NamedSnapshot,
  oldestFirst,
  type StoredSnapshot,
  snapshotKey,
} from '../mirrors/snapshot-records.js';
import type { Store, Write } from '../store/types.js';
import type { ClusterSnapshot, ClusterState } from './cluster-state.js';
import type { Nodes } from './nodes.js';
import { failIfRefused } from './refused-store.js';
import { giveUp, lackingOf, nextSnapshotStep } from './snapshot-step.js';
import type { ClusterSnapshotView } from './types.js';
import { findVolume } from './volumes.js';

export interface ClusterSnapshotsOptions {
  readonly store: Store;
  readonly state: Pick<ClusterState, 'onChange'>;
  readonly nodes: Pick<Nodes, 'snapshot'>;
  readonly clock: Clock;
  /** Of a snapshot. Default: one that was never there. */
  readonly newUuid?: () => string;
}

export interface SnapshotName {
  /** By name or UUID. */
  readonly volume: string;
  readonly name: string;
}

export interface SnapshotsWanted {
  readonly countMax: number;
  /** UUID of the last volume of the page before. */
  readonly after?: string;
  /** Only those of this name. */
  readonly name?: string;
}

/** A record that is changed by others, too, is tried again so often. */
const attemptsMax = 8;
/** Longer than a head tries (33 s), shorter than clients wait for an answer (60 s). */
export const takingMsMax = 40_000;
/** Deletion goes on after that, where a node is away. */
export const deletingMsMax = 10_000;
export const pageMax = 10_000;
/** Of a volume: all of them are looked at with each change of one. */
export const snapshotsMax = 1_024;

export class ClusterSnapshots {
  readonly #options: ClusterSnapshotsOptions;

  constructor(options: ClusterSnapshotsOptions) {
    this.#options = options;
  }

  /** Those that there are, the oldest first: neither what is being taken, nor what is being deleted. */
  list(volume: string): readonly ClusterSnapshotView[] {
    const cluster = this.#options.nodes.snapshot();
    return this.#ofVolume(cluster, findVolume(cluster, volume));
  }

  /** Of all volumes by their UUIDs, in pages of whole volumes; `next`: what `after` of the next one is. */
  listAll({ countMax, after = '', name }: SnapshotsWanted): {
    readonly snapshots: readonly ClusterSnapshotView[];
    readonly next?: string;
  } {
    if (!Number.isInteger(countMax) || countMax < 1 || countMax > pageMax) {
      throw new InvalidArgumentError('limit', `1 to ${pageMax}`);
    }
    const cluster = this.#options.nodes.snapshot();
    const left = [...cluster.volumes.values()]
      .map(({ record }) => record)
      .filter(({ uuid, name: volume }) => uuid > after.toLowerCase() && cluster.snapshots.has(volume))
      .sort((one, other) => (one.uuid < other.uuid ? -1 : 1));
    const snapshots: ClusterSnapshotView[] = [];
    for (const [index, volume] of left.entries()) {
      const found = this.#ofVolume(cluster, volume);
      snapshots.push(...found.filter((one) => name === undefined || one.name === name));
      if (snapshots.length >= countMax && index + 1 < left.length) return { snapshots, next: volume.uuid };
    }
    return { snapshots };
  }

  /** Also one that is being taken or deleted. */
  get(volume: string, name: string): ClusterSnapshotView {
    const cluster = this.#options.nodes.snapshot();
    const record = findVolume(cluster, volume);
    const found = isOfUser(name) ? cluster.snapshots.get(record.name)?.get(name) : undefined;
    if (found === undefined) throw new SnapshotNotFoundError(record.name, name);
    return this.#view(cluster, record, found);
  }

  /** As a daemon with pools: all at one moment. Of a cluster that is one. */
  async create(wanted: readonly SnapshotName[]): Promise<readonly ClusterSnapshotView[]> {
    const [first, ...others] = wanted;
    if (first === undefined) throw new InvalidArgumentError('snapshots', 'at least one');
    if (others.length > 0) throw new ClusterUnsupportedError('snapshots of several volumes at one moment');
    return [await this.createOne(first.volume, first.name)];
  }

  /**
   * Of all replicas in sync, of one moment after it was asked for. Asked for again while it is being taken,
   * it is the same one. Fails when it is there, and when it could not be taken, of which nothing stays then.
   */
  async createOne(volume: string, name: string): Promise<ClusterSnapshotView> {
    if (!isOfUser(name)) {
      throw new InvalidArgumentError('name', '1 to 63 letters, digits, dots, dashes or underscores');
    }
    const { nodes } = this.#options;
    const known = findVolume(nodes.snapshot(), volume);
    const revision = await this.#want(known, name);
    const last = await this.#until(known, name, takingMsMax, (found) => {
      if (found === undefined) return true;
      const { state, revision: of } = found.snapshot;
      return of >= revision && (state === 'complete' || state === 'deleting');
    });
    if (last?.snapshot.state === 'complete') return this.#view(nodes.snapshot(), known, last);
    const isGone = last === undefined || last.snapshot.state === 'deleting';
    const reason = isGone ? (last?.snapshot.trouble ?? 'it was deleted') : await this.#giveUp(known, name);
    if (reason === undefined) return this.get(known.uuid, name);
    throw new ClusterVolumeStateError(known.name, `has no snapshot '${name}': ${reason}`);
  }

  /** Answers when it is gone, or after a while: nodes that are away are asked when they are back. */
  async delete(volume: string, name: string): Promise<void> {
    const known = findVolume(this.#options.nodes.snapshot(), volume);
    if (!isOfUser(name)) throw new SnapshotNotFoundError(known.name, name);
    await this.#change(known, name, (found) => {
      if (found === undefined || found.state === 'deleting')
        throw new SnapshotNotFoundError(known.name, name);
      return giveUp(found);
    });
    await this.#until(known, name, deletingMsMax, (found) => found === undefined);
  }

  /** The revision by which it is wanted, of this request or of an earlier one. */
  #want(volume: VolumeRecord, name: string): Promise<bigint> {
    const { clock, newUuid = randomUUID } = this.#options;
    return this.#change(volume, name, (found) => {
      if (found?.state === 'complete') throw new SnapshotExistsError(volume.name, name);
      if (found !== undefined && found.state !== 'deleting') return found;
      if (found !== undefined && isCloned(found)) {
        const reason = `has volumes that are being made of the snapshot '${name}' before: try again`;
        throw new ClusterVolumeStateError(volume.name, reason);
      }
      const known = this.#options.nodes.snapshot().snapshots.get(volume.name);
      if ((known?.size ?? 0) >= snapshotsMax) {
        const reason = `has ${snapshotsMax} snapshots, as many as there may be`;
        throw new ClusterVolumeStateError(volume.name, reason);
      }
      const rests = found === undefined ? [] : [...found.rests, found.uuid];
      if (rests.length > restsMax) {
        const reason = `has nodes away that may have too much of snapshot '${name}': bring them back`;
        throw new ClusterVolumeStateError(volume.name, reason);
      }
      return {
        ...{ revision: found?.revision ?? 0n, begun: 0n, uuid: newUuid(), state: 'wanted' },
        createdAt: Math.floor(clock.date().getTime() / 1000),
        ...{ sizeBytes: 0n, members: [], carrying: [], rests },
      };
    });
  }

  /** Why there is none; undefined: it was completed just now. */
  async #giveUp(volume: VolumeRecord, name: string): Promise<string | undefined> {
    let reason: string | undefined = `its head did not take it within ${takingMsMax / 1000} s`;
    await this.#change(volume, name, (found) => {
      if (found?.state === 'complete') {
        reason = undefined;
        return found;
      }
      if (found === undefined) throw new SnapshotNotFoundError(volume.name, name);
      if (found.state !== 'deleting') return giveUp(found, reason);
      reason = found.trouble ?? reason;
      return found;
    });
    return reason;
  }

  /**
   * The revision of the record as it is then. Together with the record of its volume, which is as it was: who
   * has looked at that before, to delete the volume or to take a replica from it, has to look again.
   */
  async #change(
    { name: volume, uuid }: VolumeRecord,
    name: string,
    change: (found: StoredSnapshot | undefined) => StoredSnapshot,
  ): Promise<bigint> {
    const { store, nodes } = this.#options;
    failIfRefused(nodes.snapshot());
    const [key, volumeAt] = [snapshotKey(volume, name), volumeKey(volume)];
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const [stored, of] = await Promise.all([store.get(key), store.get(volumeAt)]);
      const record = of && decodeVolume(volumeAt, of.value);
      if (of === undefined || record?.uuid !== uuid) throw new VolumeNotFoundError(volume);
      if (record.state !== 'ready') throw new ClusterVolumeStateError(volume, `is ${record.state}`);
      const found = stored && decodeSnapshot(stored).snapshot;
      const next = change(found);
      if (next === found) return found.revision;
      const writes: readonly Write[] = [
        { type: 'put', key, value: encodeSnapshot(next) },
        ...(next.state === 'wanted' ? [{ type: 'put', key: volumeAt, value: of.value } as const] : []),
      ];
      const { ok, revision } = await store.commit(
        [
          { key, revision: stored?.revision ?? 0n },
          { key: volumeAt, revision: of.revision },
        ],
        writes,
      );
      if (ok) return revision;
    }
    throw new ClusterVolumeStateError(volume, 'is being changed by others all the time; try again');
  }

  #ofVolume(cluster: ClusterSnapshot, volume: VolumeRecord): readonly ClusterSnapshotView[] {
    const all = [...(cluster.snapshots.get(volume.name)?.values() ?? [])];
    const done = all.filter(({ name, snapshot }) => snapshot.state === 'complete' && isOfUser(name));
    return oldestFirst(done).map((named) => this.#view(cluster, volume, named));
  }

  #view(cluster: ClusterSnapshot, volume: VolumeRecord, named: NamedSnapshot): ClusterSnapshotView {
    const { name, snapshot } = named;
    const { uuid, state, sizeBytes, createdAt, members } = snapshot;
    const nameOf = (node: string) => cluster.nodes.get(node)?.record.name ?? node;
    const mirror = cluster.mirrors.get(volume.name)?.record;
    const step = nextSnapshotStep(volume, named, { mirror, nameOf, wantedForMs: 0 });
    const whole = lackingOf(volume, snapshot).length === 0 ? 'complete' : 'degraded';
    const pending = state === 'deleting' ? 'deleting' : 'taking';
    return {
      ...{ volume: volume.name, volumeUuid: volume.uuid, name, uuid, sizeBytes, createdAt },
      state: state === 'complete' ? whole : pending,
      nodes: volume.replicas.flatMap((one) => (members.includes(one.uuid) ? nameOf(one.node) : [])),
      ...(step.kind === 'wait' && { waitingFor: step.for }),
    };
  }

  /**
   * Looks again with each change of the volume, for a while; how it is then. Undefined: it was seen here, and
   * is gone; before it was seen nothing is asked.
   */
  async #until(
    { name: volume, uuid }: VolumeRecord,
    name: string,
    ms: number,
    isDone: (found: NamedSnapshot | undefined) => boolean,
  ): Promise<NamedSnapshot | undefined> {
    const { state, clock, nodes } = this.#options;
    let last: NamedSnapshot | undefined;
    let isSeen = false;
    const look = () => {
      const cluster = nodes.snapshot();
      const isThere = cluster.volumes.get(volume)?.record.uuid === uuid;
      last = isThere ? cluster.snapshots.get(volume)?.get(name) : undefined;
      isSeen ||= last !== undefined || !isThere;
      return isSeen && isDone(last);
    };
    if (look()) return last;
    return new Promise((resolve) => {
      const end = () => {
        forget();
        stop();
        resolve(last);
      };
      const stop = clock.after(ms, end);
      const forget = state.onChange((change) => {
        const isOther = typeof change === 'object' && change.volume !== volume;
        if (change !== 'facts' && !isOther && look()) end();
      });
    });
  }
}

function isOfUser(name: string): boolean {
  return volumeNamePattern.test(name);
}
