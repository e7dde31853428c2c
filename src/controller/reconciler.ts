// What the leading controller does: looks at what has changed, or when the time of a wait is over, and makes
// the next step of each volume that has one. A step is a compare-and-swap of the records that were looked at,
// guarded by the leader's term; one that loses is decided anew by what is there then. A volume without a next
// step is not looked at before something of it, or of the nodes, changes.
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { Term } from '../cluster/election/election.js';
import { volumeKey } from '../cluster/model/keys.js';
import { refusalText } from '../cluster/model/refusal.js';
import { encodeVolume } from '../cluster/model/volume-record.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import { snapshotsPrefixOf } from '../mirrors/snapshot-records.js';
import type { Compare, Store, Write } from '../store/types.js';
import type { ClusterChange, ClusterSnapshot, ClusterState } from './cluster-state.js';
import type { Events } from './events.js';
import { type PlannedStep, Planning } from './planning.js';
import { isRefused } from './refused-store.js';

export interface ReconcilerOptions {
  readonly store: Pick<Store, 'commit' | 'list'>;
  readonly state: ClusterState;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Log;
  /** A node that is away for longer is replaced. Default: replaceAfterMsDefault. */
  readonly replaceAfterMs?: number;
}

/** A node that is started again, or its machine, is back within this; copying everything takes longer. */
export const replaceAfterMsDefault = 15 * 60_000;
/** Between two looks, so that what changes together is seen together. */
export const gatherMs = 10;
/** After a step that could not be made. */
const retryMs = 500;
/** Commits under way at once. */
const atOnceMax = 32;
/**
 * After a change of any volume, those with a next step, of whoever, are looked at again at the latest: room
 * for a replica is made by others. Sooner, each look would grow with how many are under way.
 */
const openMs = 500;
/** All volumes are looked at so often, whatever was heard of: nothing waits for an oversight forever. */
const allMs = 30_000;
/** Of one commit: etcd takes 128 operations. */
const writesMax = 64;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  #isUp: ReadonlySet<string> | undefined;
  /** Names of volumes of which something has changed. */
  #due = new Set<string>();
  /** Of those that had a next step when they were looked at, their own or somebody's. */
  readonly #open = new Set<string>();
  /** When those are looked at again, by the steady clock. */
  #openAtMs = Number.POSITIVE_INFINITY;
  /** When all are looked at, by the steady clock. */
  #allAtMs = 0;
  /** Why the store is refused, as was told last; empty: it is not. */
  #refused = '';

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Until the term ends. */
  async lead({ signal, guard }: Term): Promise<void> {
    const { state, clock, log } = this.#options;
    const wake = new Wake(clock, signal);
    this.#allAtMs = clock.steadyMs();
    const forget = state.onChange((change) => {
      if (this.#note(change)) wake.atMs(clock.steadyMs() + gatherMs);
    });
    try {
      wake.atMs(clock.steadyMs());
      while (await wake.next()) {
        try {
          const nextMs = await this.#look(guard, signal);
          wake.atMs(Math.min(nextMs ?? this.#allAtMs, this.#allAtMs));
        } catch (err) {
          log.warn({ room: 'controller', err }, 'a step could not be made; tried again');
          this.#allAtMs = clock.steadyMs() + retryMs;
          wake.atMs(this.#allAtMs);
        }
      }
    } finally {
      forget();
      wake.close();
    }
  }

  /** False: nobody has to look. */
  #note(change: ClusterChange): boolean {
    const nowMs = this.#options.clock.steadyMs();
    if (change === 'facts') {
      this.#openAtMs = nowMs;
      return this.#open.size > 0;
    }
    if (change === 'nodes') {
      this.#allAtMs = nowMs;
    } else {
      this.#due.add(change.volume);
      this.#openAtMs = Math.min(this.#openAtMs, nowMs + openMs);
    }
    return true;
  }

  /** Answers when to look again at the latest. */
  async #look(guard: Term['guard'], signal: AbortSignal): Promise<number | undefined> {
    const { state, clock, replaceAfterMs = replaceAfterMsDefault } = this.#options;
    const { snapshot } = state;
    if (snapshot === undefined) {
      this.#allAtMs = clock.steadyMs() + retryMs;
      return undefined;
    }
    this.#tellNodes(snapshot.nodes, snapshot.facts);
    this.#tellRefusals(snapshot.refusals);
    if (isRefused(snapshot)) {
      this.#allAtMs = clock.steadyMs() + allMs; // sooner when that is over
      return undefined;
    }
    const nowMs = clock.steadyMs();
    const isAll = nowMs >= this.#allAtMs;
    const isOpen = isAll || nowMs >= this.#openAtMs;
    if (isAll) this.#allAtMs = nowMs + allMs;
    if (isOpen) this.#openAtMs = Number.POSITIVE_INFINITY;
    const names = isAll
      ? new Set(snapshot.volumes.keys())
      : new Set([...this.#due, ...(isOpen ? this.#open : [])]);
    this.#due = new Set();
    const planning = new Planning(snapshot, { newUuid: randomUUID, nowMs, replaceAfterMs });
    const planned = planning.steps(names);
    if (isAll) this.#open.clear();
    for (const name of names) this.#open.delete(name);
    for (const { volume, step } of planned) {
      this.#open.add(volume.record.name);
      if (step.kind === 'wait' && step.untilMs) this.#openAtMs = Math.min(this.#openAtMs, step.untilMs);
    }
    const steps = planned.filter(({ step }) => step.kind === 'change' || step.kind === 'remove');
    const worker = async (): Promise<void> => {
      for (let one = steps.pop(); one !== undefined && !signal.aborted; one = steps.pop()) {
        await this.#make(one, guard);
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnceMax, steps.length) }, worker));
    return this.#open.size === 0 ? undefined : this.#openAtMs;
  }

  async #make({ volume: { record }, lookedAt, step }: PlannedStep, guard: Term['guard']): Promise<void> {
    const { store, events } = this.#options;
    const key = volumeKey(record.name);
    const looked = [guard, ...lookedAt];
    if (step.kind === 'remove' && !(await this.#forgetSnapshots(record.name, looked))) return;
    const writes: Write[] =
      step.kind === 'change'
        ? [{ type: 'put', key, value: encodeVolume(step.to) }]
        : [
            { type: 'delete', key },
            { type: 'delete', key: mirrorsPrefix + record.name },
          ];
    const { ok } = await store.commit(looked, writes);
    // Whoever changed it in between is seen soon. Whether another one leads is told by the signal of the
    // term.
    if (!ok) return;
    const event = { level: 'info', subject: 'volume', name: record.name } as const;
    if (step.kind === 'change') events.tell({ ...event, reason: step.reason, text: step.text });
    else events.tell({ ...event, reason: 'VolumeDeleted', text: 'it is gone, with its data' });
  }

  /** Before the volume, whose deletion nobody takes back. False: it was changed meanwhile. */
  async #forgetSnapshots(volume: string, looked: readonly Compare[]): Promise<boolean> {
    const { store } = this.#options;
    const { entries } = await store.list(snapshotsPrefixOf(volume));
    for (let index = 0; index < entries.length; index += writesMax) {
      const some = entries.slice(index, index + writesMax);
      const writes = some.map(({ key }) => ({ type: 'delete', key }) as const);
      if (!(await store.commit(looked, writes)).ok) return false;
    }
    return true;
  }

  #tellRefusals(refusals: ClusterSnapshot['refusals']): void {
    const { events } = this.#options;
    const text = refusalText(refusals.values());
    const before = this.#refused;
    this.#refused = text;
    const event = { subject: 'cluster', name: '' } as const;
    if (text !== '' && before === '')
      events.tell({ ...event, level: 'warning', reason: 'StoreRefused', text });
    if (text !== '' || before === '') return;
    const over = 'nobody refuses the store any more';
    events.tell({ ...event, level: 'info', reason: 'StoreAccepted', text: over });
  }

  #tellNodes(
    nodes: ReadonlyMap<string, { readonly record: { readonly name: string } }>,
    facts: ReadonlyMap<string, unknown>,
  ): void {
    const { events } = this.#options;
    const before = this.#isUp;
    this.#isUp = new Set(facts.keys());
    if (before === undefined) return;
    for (const [id, { record }] of nodes) {
      const name = record.name;
      if (facts.has(id) && !before.has(id)) {
        events.tell({ level: 'info', subject: 'node', name, reason: 'NodeUp', text: 'it is up' });
      } else if (!facts.has(id) && before.has(id)) {
        const text = 'it does not answer any more';
        events.tell({ level: 'warning', subject: 'node', name, reason: 'NodeLost', text });
      }
    }
  }
}

/** The earliest time that was asked for, waited for again and again. */
class Wake {
  #atMs: number | undefined;
  #forget = () => {};
  #resolve: ((goOn: boolean) => void) | undefined;

  constructor(
    readonly clock: Clock,
    readonly signal: AbortSignal,
  ) {
    signal.addEventListener('abort', this.#end);
  }

  atMs(ms: number): void {
    if (this.#atMs !== undefined && this.#atMs <= ms) return;
    this.#atMs = ms;
    this.#arm();
  }

  /** True: it is time. False: the end. */
  next(): Promise<boolean> {
    if (this.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#arm();
    });
  }

  close(): void {
    this.#forget();
    this.signal.removeEventListener('abort', this.#end);
  }

  #arm(): void {
    this.#forget();
    if (this.#atMs === undefined || this.#resolve === undefined) return;
    this.#forget = this.clock.after(Math.max(0, this.#atMs - this.clock.steadyMs()), () => {
      this.#atMs = undefined;
      this.#tell(true);
    });
  }

  readonly #end = (): void => {
    this.#forget();
    this.#tell(false);
  };

  #tell(goOn: boolean): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve?.(goOn);
  }
}
