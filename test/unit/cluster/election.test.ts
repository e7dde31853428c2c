// One leader of several controllers, and never two: over the memory store and a clock that stands still, with
// links that break. Rows D10, D16, D19 and D20.
import fc from 'fast-check';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreInDoubtError } from '../../../src/base/control-errors.js';
import { currentLeader, Election, type Term } from '../../../src/cluster/election/election.js';
import { leaderKey } from '../../../src/cluster/model/keys.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { FakeClock } from '../../support/fake-clock.js';
import { FlakyStore, type Link } from '../../support/flaky-store.js';
import { put, text } from '../store/contract.js';

const ttlMs = 10_000;
const id = (number: number) => `00000000-0000-4000-8000-00000000000${number}`;

/** All that follows from what has happened, but for time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

class Controller {
  readonly terms: Term[] = [];
  readonly store: FlakyStore;
  readonly election: Election;
  /** What leading does: nothing, until it may not any more. */
  lead = ({ signal }: Term): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve());
    });

  constructor(
    readonly number: number,
    behind: Store,
    clock: FakeClock,
  ) {
    this.store = new FlakyStore(behind, clock);
    this.election = new Election({
      store: this.store,
      id: id(number),
      name: `c${number}`,
      clock,
      ttlMs,
      log: pino({ level: 'silent' }),
      lead: (term) => {
        this.terms.push(term);
        return this.lead(term);
      },
    });
    this.election.start();
  }

  get leads(): boolean {
    return this.terms.at(-1)?.signal.aborted === false;
  }
}

class World {
  readonly clock = new FakeClock();
  readonly store = openMemoryStore(this.clock);
  readonly controllers: Controller[] = [];

  add(number: number): Controller {
    const controller = new Controller(number, this.store, this.clock);
    this.controllers.push(controller);
    return controller;
  }

  /** In small steps: what is due in one of them may make something due in the next. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) {
      this.clock.advance(Math.min(500, left));
      await settle();
    }
  }

  get leaders(): readonly Controller[] {
    return this.controllers.filter(({ leads }) => leads);
  }

  async close(): Promise<void> {
    for (const { store } of this.controllers) store.link = 'up';
    await Promise.all(this.controllers.map(({ election }) => election.close()));
    await Promise.all(this.controllers.map(({ store }) => store.close()));
    await this.store.close();
  }
}

describe('an election', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.close());

  it('has one leader, who is known to all and stays it', async () => {
    const all = [1, 2, 3].map((number) => world.add(number));
    await settle();
    expect(world.leaders).toHaveLength(1);
    const [leader] = world.leaders;
    expect(await currentLeader(world.store)).toEqual({
      id: id(leader!.number),
      name: `c${leader!.number}`,
      since: '2026-11-22T00:00:00.000Z',
    });
    await world.pass(10 * ttlMs);
    expect(world.leaders).toEqual([leader]);
    expect(all.flatMap(({ terms }) => terms)).toHaveLength(1);
  });

  it('has the next one at once when the leader ends in order', async () => {
    const [first, second] = [world.add(1), world.add(2)];
    await settle();
    expect(first.leads).toBe(true);
    await first.election.close();
    await settle();
    expect([first.leads, second.leads]).toEqual([false, true]);
    await second.election.close();
    expect(await currentLeader(world.store)).toBeUndefined();
  });

  it('D19: has the next one when the leader is silent, which has stopped by then', async () => {
    const [first, second] = [world.add(1), world.add(2)];
    await world.pass(2 * ttlMs); // its lease was renewed meanwhile
    first.store.link = 'down';
    await world.pass(ttlMs / 2);
    expect([first.leads, second.leads]).toEqual([true, false]);
    await world.pass(ttlMs / 2);
    expect([first.leads, second.leads]).toEqual([false, true]);
    first.store.link = 'up';
    await world.pass(3 * ttlMs);
    expect([first.leads, second.leads]).toEqual([false, true]);
  });

  it('goes on over a short silence of the store', async () => {
    const first = world.add(1);
    await settle();
    first.store.link = 'down';
    await world.pass(ttlMs / 2);
    first.store.link = 'up';
    await world.pass(5 * ttlMs);
    expect(first.terms).toHaveLength(1);
    expect(first.leads).toBe(true);
  });

  it('is won by one who does not hear that it has won', async () => {
    const first = new Controller(1, world.store, world.clock);
    world.controllers.push(first);
    first.store.link = 'deaf';
    await settle();
    expect(first.leads).toBe(false);
    first.store.link = 'up';
    await world.pass(2 * ttlMs);
    expect(first.leads).toBe(true);
  });

  it('does not take the key of another one for its own when it does not hear who won', async () => {
    const first = world.add(1);
    const commit = first.store.commit.bind(first.store);
    first.store.commit = async () => {
      first.store.commit = commit;
      await world.store.commit([], [put(leaderKey, JSON.stringify(rival))]);
      throw new StoreInDoubtError('commit', 'the answer was lost');
    };
    const rival = { version: 1, id: id(2), name: 'c2', since: '2026-11-22T00:00:00.000Z', token: id(3) };
    await world.pass(2 * ttlMs);
    expect(first.terms).toEqual([]);
  });

  it('D20: lets nobody commit who was followed by another', async () => {
    const [first, second] = [world.add(1), world.add(2)];
    await settle();
    const { guard: old } = first.terms[0]!;
    expect((await first.store.commit([old], [put('x', 'first')])).ok).toBe(true);
    first.store.link = 'down';
    await world.pass(ttlMs);
    first.store.link = 'up';
    expect((await first.store.commit([old], [put('x', 'late')])).ok).toBe(false);
    const { guard } = second.terms[0]!;
    expect((await second.store.commit([guard], [put('x', 'second')])).ok).toBe(true);
    expect(text((await world.store.get('x'))?.value)).toBe('second');
  });

  it('is sought again, after a moment, when leading ended by itself or failed', async () => {
    const first = world.add(1);
    first.lead = () => Promise.reject(new Error('a bug'));
    await settle();
    expect(first.terms).toHaveLength(1);
    expect(await currentLeader(world.store)).toBeUndefined();
    await world.pass(3_000);
    expect(first.terms.length).toBeGreaterThan(2);
    expect(first.terms.length).toBeLessThan(6);
  });

  it('waits for its leader to end before it closes', async () => {
    const first = world.add(1);
    let end: () => void = () => undefined;
    first.lead = () =>
      new Promise((resolve) => {
        end = resolve;
      });
    await settle();
    let closed = false;
    const closing = first.election.close().then(() => {
      closed = true;
    });
    await settle();
    expect([closed, first.leads]).toEqual([false, false]);
    end();
    await closing;
  });

  it('does not take a key away that somebody else wrote', async () => {
    await world.store.commit([], [put(leaderKey, 'by hand')]);
    const first = world.add(1);
    await world.pass(3 * ttlMs);
    expect(first.terms).toEqual([]);
    await world.store.commit([], [{ type: 'delete', key: leaderKey }]);
    await settle();
    expect(first.leads).toBe(true);
  });
});

describe('an election under any faults', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(500, 2_000, 5_000, 9_999, 10_000, 15_000),
    }),
    fc.record({
      kind: fc.constant('link' as const),
      who: fc.nat(2),
      link: fc.constantFrom<Link>('up', 'up', 'down', 'deaf'),
    }),
    fc.record({ kind: fc.constant('write' as const), who: fc.nat(2), term: fc.nat(5) }),
    fc.record({ kind: fc.constant('restart' as const), who: fc.nat(2) }),
  );

  it('never has two leaders, lets none write after the next one, and has one in the end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25, size: 'max' }), async (steps) => {
        const world = new World();
        const current = [1, 2, 3].map((number) => world.add(number));
        /** Revisions of guards, in the order in which commits with them were made. */
        const written: bigint[] = [];
        await settle();
        for (const one of steps) {
          if (one.kind === 'pass') await world.pass(one.ms);
          if (one.kind === 'link') current[one.who]!.store.link = one.link;
          if (one.kind === 'restart') {
            const old = current[one.who]!;
            old.store.link = 'down'; // as a process that is killed: nothing of it arrives any more
            void old.election.close();
            current[one.who] = world.add(one.who + 1);
          }
          if (one.kind === 'write') {
            const terms = current[one.who]!.terms;
            const guard = terms[one.term % Math.max(1, terms.length)]?.guard;
            const done =
              guard && (await current[one.who]!.store.commit([guard], [put('x', '')]).catch(() => undefined));
            if (guard !== undefined && done?.ok === true) written.push(guard.revision);
          }
          await settle();
          expect(world.leaders.length).toBeLessThanOrEqual(1);
        }
        expect(written).toEqual([...written].sort((a, b) => Number(a - b)));
        for (const { store } of current) store.link = 'up';
        await world.pass(3 * ttlMs);
        expect(world.leaders).toHaveLength(1);
        await world.close();
      }),
      { numRuns: 30 },
    );
  }, 120_000);
});
