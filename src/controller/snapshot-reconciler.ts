// What the leading controller does about snapshots, beside volumes (reconciler.ts): those that nobody took in
// time, or that nobody has any more, are to go. All else of them is done by the agents of heads. Nobody waits
// for it, so all of them are looked at now and then, by the records that this controller has anyway.
import { type Clock, pause } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Term } from '../cluster/election/election.js';
import { volumeKey } from '../cluster/model/keys.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import { encodeSnapshot, isCloned, type NamedSnapshot, snapshotKey } from '../mirrors/snapshot-records.js';
import type { Compare, Store } from '../store/types.js';
import type { ClusterSnapshot, ClusterState } from './cluster-state.js';
import type { Events } from './events.js';
import { isRefused } from './refused-store.js';
import { nextSnapshotStep, type SnapshotStep } from './snapshot-step.js';

export interface SnapshotReconcilerOptions {
  readonly store: Pick<Store, 'commit'>;
  readonly state: Pick<ClusterState, 'snapshot' | 'onChange'>;
  readonly events: Pick<Events, 'tell'>;
  readonly clock: Clock;
  readonly log: Log;
}

export const lookMs = 5_000;
/** Between two looks at least, so that what changes together is seen together. */
const gatherMs = 100;

export class SnapshotReconciler {
  readonly #options: SnapshotReconcilerOptions;
  /** Since when they are wanted, by their keys, as far as is known; by the steady clock. */
  #wantedSinceMs = new Map<string, number>();
  /** Names of volumes that are being made of a snapshot. */
  #awaited = new Set<string>();

  constructor(options: SnapshotReconcilerOptions) {
    this.#options = options;
  }

  /** Until the term ends. */
  async lead({ signal, guard }: Term): Promise<void> {
    const { log } = this.#options;
    this.#wantedSinceMs = new Map();
    while (!signal.aborted) {
      try {
        await this.#look(guard, signal);
      } catch (err) {
        log.warn({ room: 'controller', err }, 'a snapshot could not be given up; tried again');
      }
      await this.#pause(signal);
    }
  }

  /** Shorter when something has changed of which a snapshot may be let go. */
  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, state } = this.#options;
    await pause(clock, gatherMs, signal);
    if (signal.aborted) return;
    const woken = new AbortController();
    const wake = () => woken.abort();
    signal.addEventListener('abort', wake);
    const forget = state.onChange((change) => {
      if (typeof change === 'object' && this.#isAwaited(change.volume)) wake();
    });
    await pause(clock, lookMs, woken.signal);
    forget();
    signal.removeEventListener('abort', wake);
  }

  /** It is being made of a snapshot, or one of its own has volumes that are. */
  #isAwaited(volume: string): boolean {
    const snapshots = this.#options.state.snapshot?.snapshots.get(volume)?.values() ?? [];
    return this.#awaited.has(volume) || [...snapshots].some(({ snapshot }) => isCloned(snapshot));
  }

  async #look(guard: Term['guard'], signal: AbortSignal): Promise<void> {
    const { snapshot: cluster } = this.#options.state;
    if (cluster === undefined || isRefused(cluster)) return;
    for (const step of this.#steps(cluster)) {
      if (signal.aborted) return;
      await this.#make(step, guard);
    }
    for (const release of this.#releases(cluster)) {
      if (signal.aborted) return;
      await this.#release(release, guard);
    }
  }

  #steps(cluster: ClusterSnapshot): readonly PlannedStep[] {
    const nowMs = this.#options.clock.steadyMs();
    const before = this.#wantedSinceMs;
    this.#wantedSinceMs = new Map();
    const nameOf = (node: string) => cluster.nodes.get(node)?.record.name ?? node;
    return [...cluster.snapshots].flatMap(([volume, snapshots]) => {
      const record = cluster.volumes.get(volume)?.record;
      if (record === undefined) return []; // of one that is gone, or not seen yet
      const mirror = cluster.mirrors.get(volume)?.record;
      return [...snapshots.values()].flatMap((named) => {
        const key = snapshotKey(volume, named.name);
        const { state } = named.snapshot;
        const sinceMs = before.get(key) ?? nowMs;
        if (state === 'wanted' || state === 'taking') this.#wantedSinceMs.set(key, sinceMs);
        const step = nextSnapshotStep(record, named, { mirror, nameOf, wantedForMs: nowMs - sinceMs });
        const mirrorRevision = mirror?.revision ?? 0n;
        return step.kind === 'change' ? [{ volume, mirrorRevision, named, step }] : [];
      });
    });
  }

  /** Of volumes that are made by now, or are not to be any more: the snapshots that they were made of. */
  #releases(cluster: ClusterSnapshot): readonly Release[] {
    this.#awaited = new Set();
    return [...cluster.snapshots].flatMap(([volume, snapshots]) =>
      [...snapshots.values()].flatMap((named) => {
        const { cloning = [], uuid } = named.snapshot;
        const done = cloning.filter((name) => {
          const { state, origin } = cluster.volumes.get(name)?.record ?? {};
          return state !== 'creating' || origin?.snapshot !== uuid;
        });
        for (const name of cloning) if (!done.includes(name)) this.#awaited.add(name);
        const looked = done.map((name) => ({
          ...{ key: volumeKey(name), revision: cluster.volumes.get(name)?.revision ?? 0n },
        }));
        return done.length === 0 ? [] : [{ volume, named, done, looked }];
      }),
    );
  }

  async #release({ volume, named, done, looked }: Release, guard: Term['guard']): Promise<void> {
    const { name, snapshot } = named;
    const { cloning = [], ...rest } = snapshot;
    const left = cloning.filter((one) => !done.includes(one));
    const value = encodeSnapshot(left.length === 0 ? rest : { ...rest, cloning: left });
    const key = snapshotKey(volume, name);
    // A volume that is not seen here yet, and is there, is being made.
    const compare = [guard, { key, revision: snapshot.revision }, ...looked];
    await this.#options.store.commit(compare, [{ type: 'put', key, value }]);
  }

  async #make(
    { volume, mirrorRevision, named: { name, snapshot }, step }: PlannedStep,
    guard: Term['guard'],
  ): Promise<void> {
    const { store, events } = this.#options;
    const key = snapshotKey(volume, name);
    const looked = { key, revision: snapshot.revision };
    // Who has it is judged by its members: as they are, not as they were.
    const members = { key: mirrorsPrefix + volume, revision: mirrorRevision };
    const value = encodeSnapshot(step.to);
    const { ok } = await store.commit([guard, looked, members], [{ type: 'put', key, value }]);
    if (!ok) return; // its head was faster, or somebody else leads
    const { reason, text } = step;
    events.tell({ level: 'warning', subject: 'volume', name: volume, reason, text });
  }
}

interface Release {
  readonly volume: string;
  readonly named: NamedSnapshot;
  /** Names of volumes that are made by now, and their records as they were looked at. */
  readonly done: readonly string[];
  readonly looked: readonly Compare[];
}

interface PlannedStep {
  readonly volume: string;
  /** Of the mirror record by which it was decided; 0: there was none. */
  readonly mirrorRevision: bigint;
  readonly named: NamedSnapshot;
  readonly step: Extract<SnapshotStep, { readonly kind: 'change' }>;
}
