// Which store this is: what is remembered of it, against what it says (rows D18 and D17 of the table of
// faults).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeLineage,
  decodeMark,
  encodeLineage,
  encodeMark,
  judge,
  type LineageMark,
  markOf,
  openingsMax,
  type StoredLineage,
  withOpening,
  withReplaced,
} from '../../../src/cluster/lineage/lineage-record.js';

const uuid = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** A store that counts its commits, and whose copies can be put back. */
class Counting {
  revision = 0n;
  stored: StoredLineage | undefined;
  static tokens = 0;

  open(): void {
    Counting.tokens += 2;
    const token = uuid(Counting.tokens);
    const record = withOpening(this.stored, token, () => uuid(Counting.tokens + 1));
    this.revision += 1n;
    this.stored = { record: decodeLineage(encodeLineage(record)), keyRevision: this.revision };
  }

  replace(others: readonly string[]): void {
    if (this.stored === undefined) throw new Error('it is not open');
    Counting.tokens += 2;
    const record = withReplaced(this.stored, others, uuid(Counting.tokens), uuid(Counting.tokens + 1));
    this.revision += 1n;
    this.stored = { record, keyRevision: this.revision };
  }

  copy(): Pick<Counting, 'revision' | 'stored'> {
    return { revision: this.revision, stored: this.stored };
  }

  mark(): LineageMark {
    if (this.stored === undefined) throw new Error('it is not open');
    return markOf(this.stored.record, this.revision);
  }

  judge(mark: LineageMark | undefined): string | undefined {
    return judge(mark, this.stored, this.revision);
  }
}

function opened(): Counting {
  const store = new Counting();
  store.open();
  return store;
}

const steps = fc.array(fc.constantFrom('commit', 'commit', 'open', 'look'), { maxLength: 60 });

function walk(store: Counting, all: readonly string[], marks: LineageMark[] = []): readonly LineageMark[] {
  for (const step of all) {
    if (step === 'commit') store.revision += 1n;
    if (step === 'open') store.open();
    if (step === 'look') marks.push(store.mark());
  }
  return marks;
}

describe('a store that goes on', () => {
  it('is the one of every mark that was made of it', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const store = opened();
        for (const mark of walk(store, all)) expect(store.judge(mark)).toBeUndefined();
      }),
    );
  });

  it('is taken by who remembers nothing, and by who was away for longer than it remembers', () => {
    const store = opened();
    const mark = store.mark();
    expect(store.judge(undefined)).toBeUndefined();
    for (let index = 0; index < openingsMax + 3; index += 1) store.open();
    expect(store.stored?.record.openings).toHaveLength(openingsMax);
    expect(store.judge(mark)).toBeUndefined();
  });
});

describe('D18: a store that was put back to an old copy', () => {
  it('is refused by whoever has seen more than the copy, however far it has gone on since', () => {
    fc.assert(
      fc.property(steps, steps, steps, (before, forgotten, since) => {
        const store = opened();
        walk(store, before);
        const copy = store.copy();
        store.revision += 1n; // something that only the copy lacks
        const marks = [store.mark(), ...walk(store, forgotten)];
        Object.assign(store, copy);
        store.open(); // a controller has to be started for it
        walk(store, since.slice(0, openingsMax - 1 - forgotten.length));
        for (const mark of marks) expect(store.judge(mark)).toMatch('old copy');
      }),
    );
  });

  it('is refused before a controller has opened it, by its revision', () => {
    const store = opened();
    const copy = store.copy();
    store.revision += 5n;
    const mark = store.mark();
    Object.assign(store, copy);
    expect(store.judge(mark)).toMatch('it is at revision 1, and revision 6 was seen');
  });

  it('is refused when it is empty, new, or of another cluster', () => {
    const mark = opened().mark();
    expect(judge(mark, undefined, 100n)).toMatch('empty');
    expect(opened().judge(mark)).toMatch('new, or of another cluster');
  });

  it('is taken when that was decided, also by who was away then; a copy of before is not any more', () => {
    const store = opened();
    const old = store.copy();
    store.revision += 1n;
    const [refusing, away] = [store.mark(), store.mark()];
    Object.assign(store, old);
    store.open();
    const undecided = store.copy();
    store.replace([refusing.lineage]);
    expect(store.judge(refusing)).toBeUndefined();
    expect(store.judge(away)).toBeUndefined();
    const after = store.mark();
    Object.assign(store, undecided);
    store.open();
    expect(store.judge(after)).toMatch('new, or of another cluster');
  });
});

describe('the records of a lineage', () => {
  it('are read as they were written', () => {
    const store = opened();
    walk(store, ['commit', 'open', 'commit', 'open']);
    store.replace([uuid(7)]);
    store.open();
    const record = store.stored?.record ?? expect.fail();
    expect(decodeLineage(encodeLineage(record))).toEqual(record);
    expect(decodeMark('mark', encodeMark(store.mark()))).toEqual(store.mark());
  });

  it.each([
    ['no JSON', '{', 'is not JSON'],
    ['another version', '{"version":2}', 'is of version 2'],
    ['no opening', { openings: [] }, 'has no opening'],
    [
      'a hole',
      {
        openings: [
          { number: 1, token: uuid(1), revision: '1' },
          { number: 3, token: uuid(3) },
        ],
      },
      'follow',
    ],
    ['an end that is none', { openings: [{ number: 1, token: uuid(1), revision: '1' }] }, 'follow'],
    ['one more field', { more: 1 }, 'not known'],
  ])('are refused with %s (M17)', (_what, change, message) => {
    const whole = { version: 1, id: uuid(1), replaces: [], openings: [{ number: 1, token: uuid(1) }] };
    const value = typeof change === 'string' ? change : JSON.stringify({ ...whole, ...change });
    expect(() => decodeLineage(Buffer.from(value))).toThrow(message);
  });
});
