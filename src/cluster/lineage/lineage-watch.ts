// Whether the store still is the one of the cluster, for a node or a controller: judged by what it remembers
// (lineage-record.ts), whenever it matters and now and then. One that is not is refused: that is written to
// it, where controllers and other nodes see it, until it is the right one again or somebody has decided to
// go on.
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../base/clock.js';
import { StoreRestoredError } from '../../base/cluster-errors.js';
import { FreshRead } from '../../base/fresh-read.js';
import type { Log } from '../../base/log.js';
import { StoreWentBackError } from '../../store/lineage.js';
import type { Store } from '../../store/types.js';
import { lineageKey, refusalKey } from '../model/keys.js';
import { encodeRefusal, type Refusal } from '../model/refusal.js';
import { decodeLineage, judge, type LineageMark, markOf, type StoredLineage } from './lineage-record.js';
import type { Marks } from './marks.js';

/** Of a store over a network, which looks itself whether it went back: has to forget that, end watches. */
export type WatchedStore = Pick<Store, 'list' | 'commit'> & { readonly forgetLineage?: () => void };

export interface LineageWatchOptions {
  readonly store: WatchedStore;
  readonly marks: Marks;
  /** Who refuses. */
  readonly who: Pick<Refusal, 'id' | 'name' | 'kind'>;
  /** It is the store from now on, whatever was known of it before. */
  readonly accept?: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What was seen is written down within this time. */
export const saveMsMax = 5_000;
/** The same of what changes who is in sync and where: what changes together is written together. */
export const saveSoonMs = 200;
/** Between two looks at a store that is refused. */
export const recheckMs = 2_000;

interface Refused {
  readonly reason: string;
  readonly since: string;
  /** Of the store at that time. */
  readonly lineage: string | undefined;
  /** Beside what the mark says: whether it still is so, by the same lineage. */
  readonly isStillSo: StillSo;
}

/** Answers whether what was found is so still. */
export type StillSo = (store: Pick<Store, 'list'>) => Promise<boolean>;

export class LineageWatch {
  readonly #options: LineageWatchOptions;
  #mark: LineageMark | undefined;
  #saved: LineageMark | undefined;
  #refused: Refused | undefined;
  #isTold = false;
  /** That it is refused may stand in it, as was written by this process, or one before. */
  #mayBeTold = true;
  #end = new AbortController();
  readonly #checks = new FreshRead(() => this.#checkNow());
  #listener: (reason: string | undefined) => void = () => undefined;
  #forget = () => {};
  #dueMs = Number.POSITIVE_INFINITY;
  #working: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: LineageWatchOptions) {
    this.#options = options;
    setMaxListeners(0, this.#end.signal);
  }

  get mark(): LineageMark | undefined {
    return this.#mark;
  }

  get refusal(): string | undefined {
    return this.#refused?.reason;
  }

  /** Aborts when the store is refused: nothing that was begun before goes on. */
  get usable(): AbortSignal {
    return this.#end.signal;
  }

  /** Reads what is remembered. Before all else; fails where that is damaged. */
  async start(): Promise<void> {
    this.#mark = await this.#options.marks.load();
    this.#saved = this.#mark;
    this.#wait(saveSoonMs);
  }

  /** What was seen is written down, or that was tried. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forget();
    await this.#working;
    this.#forget();
    await this.#save().catch(() => undefined);
  }

  /** Told when it is refused, why, and when it is not any more. One, in place of who was before. */
  onRefused(listener: (reason: string | undefined) => void): void {
    this.#listener = listener;
  }

  /** Fails with STORE_RESTORED while the store is refused. */
  throwIfRefused(): void {
    if (this.#refused !== undefined) throw new StoreRestoredError(this.#refused.reason);
  }

  /**
   * Looks at the store now: what was read before is of the right one when it resolves. Answers the revision
   * of the key by which a commit can tell that it still is; 0: there is none. Fails with STORE_RESTORED.
   * Who asks while it is being looked at shares the next look.
   */
  check(): Promise<bigint> {
    return this.#checks.get();
  }

  async #checkNow(): Promise<bigint> {
    this.throwIfRefused();
    const mark = this.#mark; // as it is before the look: what is seen meanwhile may be later
    const { stored, revision } = await this.read(() => this.#look());
    const reason = judge(mark, stored, revision);
    if (reason !== undefined) this.refuse(reason, async () => false, stored?.record.id);
    this.throwIfRefused();
    await this.#remember(stored, revision);
    return stored?.keyRevision ?? 0n;
  }

  /** Runs something that asks the store; that it went back is found there. */
  async read<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreWentBackError)) throw error;
      const mark = this.#mark;
      // In this process more was seen of it than was looked at.
      if (mark !== undefined && error.floor > mark.revision) this.#mark = { ...mark, revision: error.floor };
      this.refuse(error.reason);
      throw new StoreRestoredError(error.reason);
    }
  }

  /** A commit that was guarded by the key of check() was made at this revision. */
  seen(revision: bigint): void {
    const mark = this.#mark;
    if (this.#refused !== undefined || mark === undefined || revision <= mark.revision) return;
    this.#mark = { ...mark, revision };
  }

  /** Something changed that must not be forgotten: looked at, and written down, soon. */
  noteSoon(): void {
    if (this.#refused === undefined) this.#wait(saveSoonMs);
  }

  /**
   * It is not the store of the cluster. `isStillSo`: asked again and again, where the mark does not say so;
   * `lineage`: of it, as far as is known.
   */
  refuse(reason: string, isStillSo: StillSo = async () => false, lineage = this.#mark?.lineage): void {
    const { clock, log, store } = this.#options;
    if (this.#refused !== undefined) return;
    this.#refused = { reason, isStillSo, lineage, since: clock.date().toISOString() };
    this.#isTold = false;
    store.forgetLineage?.();
    const text = `the store is not that of this cluster: ${reason}; nothing is done by it`;
    log.warn({ room: 'cluster' }, `${text} (ballast cluster status)`);
    this.#end.abort();
    this.#listener(reason);
    this.#wait(0);
  }

  #wait(ms: number): void {
    const { clock } = this.#options;
    const dueMs = clock.steadyMs() + ms;
    if (this.#closed || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    this.#forget();
    this.#forget = clock.after(ms, () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#working = this.#turn().then(() =>
        this.#wait(this.#refused === undefined ? saveMsMax : recheckMs),
      );
    });
  }

  /** Never fails. */
  async #turn(): Promise<void> {
    try {
      if (this.#refused === undefined) {
        await this.check();
        await this.#save();
        if (this.#mayBeTold) await this.#takeBack();
      } else {
        await this.#recheck(this.#refused);
      }
    } catch (err) {
      this.#options.log.debug({ room: 'cluster', err }, 'the store cannot be looked at now');
    }
  }

  async #recheck(refused: Refused): Promise<void> {
    const { store, log } = this.#options;
    try {
      const { stored, revision } = await this.#look();
      const isSame = stored?.record.id === refused.lineage;
      const reason =
        judge(this.#mark, stored, revision) ??
        (isSame && (await refused.isStillSo(store)) ? refused.reason : undefined);
      if (reason !== undefined) {
        await this.#tell({ ...refused, reason }, stored?.keyRevision ?? 0n);
        return;
      }
      await this.#options.accept?.();
      // What was watched meanwhile went on from what the other one had.
      store.forgetLineage?.();
      await this.#takeBack();
      this.#refused = undefined;
      this.#end = new AbortController();
      setMaxListeners(0, this.#end.signal); // one for each watch
      await this.#remember(stored, revision);
      log.info({ room: 'cluster' }, 'the store is that of this cluster again, or was made so');
      this.#listener(undefined);
    } catch (error) {
      if (error instanceof StoreWentBackError) store.forgetLineage?.();
      throw error;
    }
  }

  /** `known`: revision of the key of the lineage: another store that is put there meanwhile is not told. */
  async #tell({ reason, since }: Refused, known: bigint): Promise<void> {
    const { store, who } = this.#options;
    const key = refusalKey(who.id);
    const lineage = this.#mark?.lineage;
    const value = encodeRefusal({ ...who, reason, since, ...(lineage !== undefined && { lineage }) });
    const { entries } = await store.list(key);
    const there = entries.find((one) => one.key === key);
    if (there !== undefined && Buffer.compare(there.value, value) === 0) return;
    this.#mayBeTold = true;
    const { ok } = await store.commit([{ key: lineageKey, revision: known }], [{ type: 'put', key, value }]);
    if (!ok) return; // looked at again
    if (!this.#isTold) this.#options.log.info({ room: 'cluster' }, 'controllers are told that it is refused');
    this.#isTold = true;
  }

  async #takeBack(): Promise<void> {
    const { store, who } = this.#options;
    const key = refusalKey(who.id);
    const { entries } = await store.list(key);
    if (entries.length > 0) await store.commit([], [{ type: 'delete', key }]);
    this.#mayBeTold = false;
  }

  async #look(): Promise<{ readonly stored: StoredLineage | undefined; readonly revision: bigint }> {
    const { revision, entries } = await this.#options.store.list(lineageKey);
    const found = entries.find(({ key }) => key === lineageKey);
    if (found === undefined) return { stored: undefined, revision };
    return { stored: { record: decodeLineage(found.value), keyRevision: found.revision }, revision };
  }

  async #remember(stored: StoredLineage | undefined, revision: bigint): Promise<void> {
    if (stored === undefined) return;
    const before = this.#mark;
    const next = markOf(stored.record, revision);
    const isSame = before?.lineage === next.lineage && before.opening.token === next.opening.token;
    if (isSame && before.revision >= revision) return;
    // An answer that was overtaken by a later one.
    if (before?.lineage === next.lineage && before.opening.number > next.opening.number) return;
    this.#mark = next;
    if (!isSame) await this.#save(); // before anything is done by it
  }

  async #save(): Promise<void> {
    const mark = this.#mark;
    if (mark === undefined || mark === this.#saved || this.#refused !== undefined) return;
    await this.#options.marks.save(mark);
    this.#saved = mark;
  }
}
