// What this node is to one volume, standby or head, kept in step with what is known: asks takeover.ts what to
// do whenever something changed or a wait is over, and does it, one thing at a time.
//
// What must stay true: a head is made of the record as the store has it at that moment, but where the one
// before has ended in order, or there was none; the store bridge knows of it before the engine does. Hosts
// are told that this path is the one when the head serves, and that it is not before the head ends. What
// fails is tried again, later each time; it never ends the loop.
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import type { HeadState, MirrorOptions, MirrorRecord } from '../native/mirror-types.js';
import { nextStep, type ReplicaPlace, type TakeoverStep } from './takeover.js';
import type { AgentEngine } from './types.js';

export interface VolumeRoleOptions {
  readonly name: string;
  readonly volumeUuid: string;
  readonly here: ReplicaPlace;
  readonly engine: Pick<AgentEngine, 'promoteMirror' | 'demoteMirror' | 'setAnaState'>;
  /** Of the store; undefined: there is none any more. */
  readonly readRecord: () => Promise<MirrorRecord | undefined>;
  /** What a head of this record is made of: where its members are, and this node. */
  readonly mirrorOptions: (record: MirrorRecord) => Promise<MirrorOptions>;
  /** Told before the engine asks the store for a head. */
  readonly serveStore: (volumeUuid: string, record: MirrorRecord) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export const retryMsMin = 200;
export const retryMsMax = 10_000;

const works = {
  promote: 'become its head',
  demote: 'end its head',
  announce: 'tell hosts that this path is the one',
};

export class VolumeRole {
  readonly #options: VolumeRoleOptions;
  #record: MirrorRecord | undefined;
  #recordSinceMs = 0;
  /** Of the record of which a head was made here last. */
  #claimedRevision: bigint | undefined;
  #places: readonly ReplicaPlace[] = [];
  #wanted: string | undefined;
  #wantedSinceMs = 0;
  #unusedSinceMs: number | undefined;
  #state: HeadState = 'standby';
  /** ANA: hosts know this path as optimized. It begins as inaccessible. */
  #isOptimized = false;
  #working: Promise<void> | undefined;
  #forgetWait = () => {};
  #retryMs = 0;
  #retryAtMs = 0;
  #closed = false;
  #isHeld = false;

  constructor(options: VolumeRoleOptions) {
    this.#options = options;
    this.#unusedSinceMs = options.clock.steadyMs();
  }

  get state(): HeadState {
    return this.#state;
  }

  /** Since when the head is the one of the record, as far as is known here, by the steady clock. */
  get recordSinceMs(): number {
    return this.#recordSinceMs;
  }

  /** As the store has it, or had it a moment ago: older ones than known are passed over. */
  setRecord(record: MirrorRecord): void {
    const known = this.#record;
    if (known !== undefined && record.revision <= known.revision) return;
    if (known === undefined || known.epoch !== record.epoch || known.headStopped !== record.headStopped) {
      this.#recordSinceMs = this.#options.clock.steadyMs();
    }
    this.#record = record;
    this.#consider();
  }

  /** Nothing is done until it is known again, by whatever revision. */
  forgetRecord(): void {
    this.#record = undefined;
  }

  /** Nodes that are up, this one too, and their replicas; who is to be head. */
  setCluster(places: readonly ReplicaPlace[], wanted: string | undefined): void {
    this.#places = places;
    if (wanted !== this.#wanted) this.#wantedSinceMs = this.#options.clock.steadyMs();
    this.#wanted = wanted;
    this.#consider();
  }

  /** A head, of this node or of another, has sealed the replica here, or none has it any more. */
  setUsed(used: boolean): void {
    this.#unusedSinceMs = used ? undefined : this.#options.clock.steadyMs();
    this.#consider();
  }

  /** The engine says so of the head here. */
  setState(state: HeadState): void {
    if (this.#state === 'standby') return; // of a head that was ended meanwhile
    this.#state = state;
    this.#consider();
  }

  /** Nothing is begun while it is: the records cannot be trusted. A head goes on as it is. */
  setHeld(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#consider();
  }

  /** Begins nothing any more; resolves when what was under way has ended. The head stays as it is. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forgetWait();
    await this.#working;
  }

  /** The same, and the head has ended in order, or was tried to. */
  async handOver(): Promise<void> {
    await this.close();
    if (this.#state !== 'standby') await this.#carryOut('demote');
  }

  #consider(): void {
    if (this.#closed || this.#working !== undefined) return;
    this.#forgetWait();
    if (this.#isHeld) return;
    const step = this.#step();
    const nowMs = this.#options.clock.steadyMs();
    if (step.kind === 'none') return;
    const atMs = Math.max(step.kind === 'wait' ? step.untilMs : nowMs, this.#retryAtMs);
    if (step.kind === 'wait' || atMs > nowMs) {
      this.#forgetWait = this.#options.clock.after(atMs - nowMs, () => this.#consider());
      return;
    }
    this.#working = this.#carryOut(step.kind).finally(() => {
      this.#working = undefined;
      this.#consider();
    });
  }

  #step(): TakeoverStep | { readonly kind: 'announce' } {
    const { here, clock } = this.#options;
    if (this.#record === undefined) return { kind: 'none' };
    const step = nextStep({
      ...{ here, places: this.#places, record: this.#record, state: this.#state },
      ...{ recordSinceMs: this.#recordSinceMs, wantedSinceMs: this.#wantedSinceMs, nowMs: clock.steadyMs() },
      ...(this.#wanted !== undefined && { wanted: this.#wanted }),
      ...(this.#unusedSinceMs !== undefined && { unusedSinceMs: this.#unusedSinceMs }),
    });
    const serves = this.#state === 'serving' && !this.#isOptimized;
    return step.kind === 'none' && serves ? { kind: 'announce' } : step;
  }

  /** Never fails. */
  async #carryOut(kind: keyof typeof works): Promise<void> {
    const { name, log } = this.#options;
    try {
      if (kind === 'demote') await this.#demote();
      else if (kind === 'promote') await this.#promote();
      else await this.#announce();
      this.#retryMs = 0;
      this.#retryAtMs = 0;
    } catch (err) {
      this.#retryMs = Math.min(Math.max(this.#retryMs * 2, retryMsMin), retryMsMax);
      this.#retryAtMs = this.#options.clock.steadyMs() + this.#retryMs;
      const text = `volume '${name}': cannot ${works[kind]}; tried again`;
      log.warn({ room: 'agent', volume: name, err }, text);
    }
  }

  async #promote(): Promise<void> {
    const { name, volumeUuid, here, engine, readRecord, mirrorOptions, serveStore, log } = this.#options;
    const decidedOn = this.#record;
    if (decidedOn === undefined) return; // forgotten just now
    // While there is no head nobody changes it but who becomes that; a claim of another record fails, and is
    // not tried again with the same one.
    const isKnown = decidedOn.headStopped && decidedOn.revision !== this.#claimedRevision;
    const record = isKnown ? decidedOn : await readRecord();
    if (record === undefined) throw new Error('its record is gone from the store');
    // What was decided on may be over: decided anew, by what there is now, heard of meanwhile or not.
    if (record.revision !== decidedOn.revision) return this.setRecord(record);
    const options = await mirrorOptions(record);
    serveStore(volumeUuid, record);
    this.#claimedRevision = record.revision;
    this.#state = 'claiming';
    try {
      await engine.promoteMirror(name, options);
    } catch (error) {
      this.#state = 'standby';
      throw error;
    }
    const why = record.head === here.node ? 'as before' : record.headStopped ? 'in its turn' : 'taking over';
    log.info({ room: 'agent', volume: name }, `volume '${name}': head from now on, ${why}`);
  }

  async #announce(): Promise<void> {
    const { name, engine } = this.#options;
    await engine.setAnaState(name, 'optimized');
    this.#isOptimized = true;
  }

  async #demote(): Promise<void> {
    const { name, engine, log } = this.#options;
    // It answers when no I/O is in flight, which may take until the head has ended.
    const closed = this.#isOptimized ? engine.setAnaState(name, 'inaccessible') : Promise.resolve();
    await Promise.all([closed, engine.demoteMirror(name)]);
    this.#isOptimized = false;
    this.#state = 'standby';
    log.info({ room: 'agent', volume: name }, `volume '${name}': standby from now on`);
  }
}
