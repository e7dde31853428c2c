// What must be true of snapshots at every moment of a simulated cluster, checked with each commit of the
// store and against what is on the disks of nodes; and what must be true of them at the end.
import type { VolumeRecord } from '../../../src/cluster/model/volume.js';
import type { StoredMirror } from '../../../src/mirrors/record.js';
import {
  baseSnapshotName,
  decodeSnapshot,
  isCloned,
  type NamedSnapshot,
  placeOf,
  type StoredSnapshot,
} from '../../../src/mirrors/snapshot-records.js';
import type { Change } from '../../../src/store/types.js';
import type { SimReplica } from './sim-engine.js';

export interface SnapshotChecksOptions {
  /** On all disks. */
  readonly replicas: () => Iterable<SimReplica>;
  readonly volumes: ReadonlyMap<string, VolumeRecord>;
  readonly mirrors: ReadonlyMap<string, StoredMirror>;
  /** How many writes of a volume, by its UUID, were acknowledged. */
  readonly written: (volumeUuid: string) => number;
  readonly violated: (text: string) => void;
}

export class SnapshotChecks {
  readonly #options: SnapshotChecksOptions;
  /** By their keys. */
  readonly #records = new Map<string, NamedSnapshot & { readonly volume: string }>();
  /** By their keys: what was acknowledged when they were asked for. */
  readonly #wantedAt = new Map<string, number>();
  /** UUIDs of those that are on disks since before the store was lost, and in no record any more. */
  readonly #forgotten = new Set<string>();
  /** That were complete, of all commits. */
  completed = 0;
  /** The same, to members that lacked them. */
  carried = 0;

  constructor(options: SnapshotChecksOptions) {
    this.#options = options;
  }

  /** Of this volume, in whatever state. */
  of(volume: string): readonly NamedSnapshot[] {
    return [...this.#records.values()].filter((one) => one.volume === volume);
  }

  /** Of a store that is lost no record of them is made anew. */
  onStoreLost(): void {
    this.#records.clear();
    this.#wantedAt.clear();
    for (const { snapshots } of this.#options.replicas()) {
      for (const uuid of snapshots.keys()) this.#forgotten.add(uuid);
    }
  }

  onChange(change: Change): void {
    const { key } = change;
    const before = this.#records.get(key);
    const { volume, name } = placeOf(key);
    if (name === baseSnapshotName) return;
    const what = `snapshot '${volume}/${name}'`;
    if (change.type === 'delete') {
      this.#records.delete(key);
      const isDeleting = this.#options.volumes.get(volume)?.state === 'deleting';
      const isSo = before?.snapshot.state === 'deleting' || isDeleting;
      this.#must(isSo, `${what} went, and it was ${before?.snapshot.state}`);
      return;
    }
    const named = decodeSnapshot(change);
    this.#records.set(key, named);
    this.#onPut(key, what, named, before?.snapshot);
  }

  #onPut(
    key: string,
    what: string,
    { volume, snapshot }: NamedSnapshot & { readonly volume: string },
    before: StoredSnapshot | undefined,
  ): void {
    const { state, members, trouble } = snapshot;
    const wasComplete = before?.state === 'complete';
    const { uuid: volumeUuid = '' } = this.#options.volumes.get(volume) ?? {};
    if (state === 'wanted') this.#wantedAt.set(key, this.#options.written(volumeUuid));
    if (wasComplete && state !== 'complete' && state !== 'deleting') this.#must(false, `${what} is ${state}`);
    this.#must(trouble?.includes('is lost') !== true, `${what}: ${trouble}`);
    if (state !== 'complete') return;
    this.#must(wasComplete || before?.state === 'taking', `${what} is complete, and was ${before?.state}`);
    this.#checkMembers(what, volume, snapshot);
    if (wasComplete) {
      this.carried += members.length > (before?.members.length ?? 0) ? 1 : 0;
      return;
    }
    this.completed += 1;
    const [first = ''] = members;
    const has = this.#on(first)?.snapshots.get(snapshot.uuid)?.written ?? 0;
    const wanted = this.#wantedAt.get(key) ?? 0;
    this.#must(has >= wanted, `${what} has ${has} of the ${wanted} writes that were acknowledged before`);
  }

  /** All who are said to have it do, and of one moment; who is no member any more is left out soon. */
  #checkMembers(what: string, volume: string, { uuid, members: said }: StoredSnapshot): void {
    const there = this.#options.mirrors.get(volume)?.record.members.map((one) => one.uuid) ?? [];
    const members = said.filter((one) => there.includes(one));
    const found = members.map((member) => this.#on(member)?.snapshots.get(uuid)?.written);
    this.#must(members.length > 0, `${what} is complete, and nobody has it`);
    this.#must(new Set(found).size <= 1, `${what} has ${found.join(', ')} writes at its members`);
    this.#must(found[0] !== undefined, `${what} is not there, and said to be`);
  }

  /** A member leaves: those that stay in sync have all that it has. */
  onLeft(volume: string, replica: string, inSync: readonly string[]): void {
    for (const { name, snapshot } of this.of(volume)) {
      const { state, members, uuid } = snapshot;
      const what = `${replica} leaves '${volume}' with its snapshot '${name}'`;
      // Noted while it leaves is not taken yet: a head begins none while it changes its members.
      const hasSome = this.#on(replica)?.snapshots.has(uuid) === true;
      this.#must(state !== 'taking' || !hasSome, `${what}, which is being taken`);
      if (state !== 'complete' || !members.includes(replica)) continue;
      const lacking = inSync.filter((one) => this.#on(one)?.snapshots.has(uuid) !== true);
      this.#must(lacking.length === 0, `${what}, which ${lacking.join(', ')} does not have`);
    }
  }

  onVolumeGone(volume: string): void {
    const left = this.of(volume).length;
    this.#must(left === 0, `'${volume}' went, and the records of ${left} snapshots did not`);
  }

  /** At the end, of a volume that is as it should be: all of its snapshots are, on all disks. */
  missingOf({ name: volume, uuid, replicas }: VolumeRecord): string | undefined {
    const snapshots = this.of(volume);
    for (const { name, snapshot } of snapshots) {
      const gone = snapshot.members.filter((one) => replicas.every((replica) => replica.uuid !== one));
      if (gone.length > 0) return `its snapshot '${name}' names ${gone.length} replicas that are gone`;
      if (snapshot.state !== 'complete') return `its snapshot '${name}' is ${snapshot.state}`;
      if (isCloned(snapshot)) return `its snapshot '${name}' is held for ${snapshot.cloning?.join(', ')}`;
      if (snapshot.rests.length > 0) return `its snapshot '${name}' has ${snapshot.rests.length} rests`;
      const lacking = replicas.filter((one) => !snapshot.members.includes(one.uuid));
      if (lacking.length > 0) return `its snapshot '${name}' is not at ${lacking.length} replicas`;
    }
    const known = new Set([...this.#forgotten, ...snapshots.map(({ snapshot }) => snapshot.uuid)]);
    for (const replica of this.#options.replicas()) {
      if (replica.volumeUuid !== uuid) continue;
      const isKnown = (of: string, name: string) => known.has(of) || name === baseSnapshotName;
      const [orphan] = [...replica.snapshots].filter(([of, { name }]) => !isKnown(of, name));
      if (orphan !== undefined) return `${replica.uuid} has '${orphan[1].name}', of which no record knows`;
    }
    return undefined;
  }

  #on(replica: string): SimReplica | undefined {
    for (const one of this.#options.replicas()) if (one.uuid === replica) return one;
    return undefined;
  }

  #must(isSo: boolean, text: string): void {
    if (!isSo) this.#options.violated(text);
  }
}
