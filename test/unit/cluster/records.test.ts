// The records of a cluster as bytes: what was written is what is read, and what nobody wrote is refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ClusterEvent,
  decodeEvent,
  encodeEvent,
  eventKey,
  eventsMax,
  eventsToForget,
} from '../../../src/cluster/model/event.js';
import {
  decodeFacts,
  decodeVolumeFacts,
  encodeFacts,
  encodeVolumeFacts,
} from '../../../src/cluster/model/facts.js';
import { decodeNode, encodeNode } from '../../../src/cluster/model/node-record.js';
import { decodeVolume, encodeVolume } from '../../../src/cluster/model/volume-record.js';
import { nodeFacts, nodeRecord, volumeFacts, volumeRecord } from './arbitraries.js';

const event: ClusterEvent = {
  at: '2026-11-22T10:00:00.000Z',
  level: 'warning',
  subject: 'node',
  name: 'node-a',
  reason: 'NodeLost',
  text: 'node-a does not answer',
};

const kinds = [
  { kind: 'node', made: nodeRecord, encode: encodeNode, decode: decodeNode },
  { kind: 'facts', made: nodeFacts, encode: encodeFacts, decode: decodeFacts },
  { kind: 'facts of a volume', made: volumeFacts, encode: encodeVolumeFacts, decode: decodeVolumeFacts },
  { kind: 'volume', made: volumeRecord, encode: encodeVolume, decode: decodeVolume },
  { kind: 'event', made: fc.constant(event), encode: encodeEvent, decode: decodeEvent },
] as unknown as {
  kind: string;
  made: fc.Arbitrary<object>;
  encode: (record: object) => Uint8Array;
  decode: (key: string, value: Uint8Array) => object;
}[];

const damaged = (message: string) =>
  expect.objectContaining({ code: 'CLUSTER_RECORD_DAMAGED', message: expect.stringContaining(message) });
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));

describe.each(kinds)('the record of a $kind', ({ made, encode, decode }) => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(made, (record) => {
        expect(decode('k', encode(record))).toEqual(record);
      }),
    );
  });

  it('is refused when it is not JSON, or of another version', () => {
    for (const value of ['', 'null', '[]', '{"version":1', '\ufeff{}']) {
      expect(() => decode('cluster/x', Buffer.from(value))).toThrow(damaged('record cluster/x'));
    }
    const fields = JSON.parse(Buffer.from(encode(fc.sample(made, 1)[0]!)).toString());
    for (const version of [0, 2, '1', null, undefined]) {
      expect(() => decode('k', bytes({ ...fields, version }))).toThrow(damaged('this program knows 1'));
    }
  });

  it('is refused with one field more, at any depth, and named', () => {
    fc.assert(
      fc.property(made, fc.nat(), (record, choice) => {
        const fields = JSON.parse(Buffer.from(encode(record)).toString());
        const places = objectsIn(fields);
        const place = places[choice % places.length]!;
        place.surprise = 1;
        expect(() => decode('k', bytes(fields))).toThrow(damaged('surprise'));
      }),
    );
  });

  it('is refused, or means the same, with any field changed to anything', () => {
    fc.assert(
      fc.property(made, fc.nat(), fc.nat(), fc.jsonValue(), (record, one, other, value) => {
        const fields = JSON.parse(Buffer.from(encode(record)).toString());
        const places = objectsIn(fields);
        const place = places[one % places.length]!;
        const names = Object.keys(place);
        const name = names[other % names.length]!;
        place[name] = value;
        let read: object;
        try {
          read = decode('k', bytes(fields));
        } catch (error) {
          expect(error).toEqual(damaged('record k'));
          return;
        }
        // What it took, it takes again as the same.
        expect(decode('k', encode(read))).toEqual(read);
      }),
      { numRuns: 500 },
    );
  });
});

/** Those whose names are of the format: not labels, which are anybody's. */
function objectsIn(value: unknown, found: Record<string, unknown>[] = []): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return found;
  if (!Array.isArray(value)) found.push(value as Record<string, unknown>);
  for (const [name, inner] of Object.entries(value)) {
    if (name !== 'labels' && name !== 'nodeLabels') objectsIn(inner, found);
  }
  return found;
}

// biome-ignore lint/suspicious/noExplicitAny: it is made wrong on purpose
type Changed = any;

describe('a volume record', () => {
  const [volume] = fc.sample(volumeRecord, 1);
  const fields = () => JSON.parse(Buffer.from(encodeVolume(volume!)).toString());

  it.each([
    [
      'two replicas on one node',
      (v: Changed) => void v.replicas.push({ ...v.replicas[0], uuid: v.uuid }),
      'on one node',
    ],
    ['a replica twice', (v: Changed) => void v.replicas.push(v.replicas[0]), 'a replica twice'],
    [
      'a head elsewhere',
      (v: Changed) => {
        v.head = v.uuid;
      },
      'head without a replica',
    ],
    [
      'a size that is no multiple',
      (v: Changed) => {
        v.sizeBytes = '4097';
      },
      'a size of 4097',
    ],
    [
      'a size as a number',
      (v: Changed) => {
        v.sizeBytes = 8192;
      },
      'sizeBytes',
    ],
    [
      'more in sync than replicas',
      (v: Changed) => {
        v.wishes.minInSync = 8;
      },
      'minInSync',
    ],
    [
      'a size to become that it has',
      (v: Changed) => {
        v.wantedSizeBytes = v.sizeBytes;
      },
      'is to become larger',
    ],
    [
      'a size to become that is no multiple',
      (v: Changed) => {
        v.wantedSizeBytes = String(BigInt(v.sizeBytes) + 1n);
      },
      'has a size of',
    ],
    [
      'blocks of 1024',
      (v: Changed) => {
        v.blockSizeBytes = 1024;
      },
      '1024',
    ],
  ])('with %s is refused', (_what, change, message) => {
    const changed = fields();
    change(changed);
    expect(() => decodeVolume('k', bytes(changed))).toThrow(damaged(message));
  });
});

describe('events', () => {
  it('are in the order of their time, and the oldest are forgotten', () => {
    const later = { ...event, at: '2026-11-22T10:00:00.001Z' };
    expect(eventKey(event, 'zz') < eventKey(later, 'aa')).toBe(true);
    const keys = Array.from({ length: eventsMax + 5 }, (_, index) => `k${index}`);
    expect(eventsToForget(keys, 100)).toEqual(keys.slice(0, 5));
    expect(eventsToForget(keys, 2)).toEqual(keys.slice(0, 2));
    expect(eventsToForget(keys.slice(5), 100)).toEqual([]);
  });

  it('are cut where their text is too long', () => {
    const long = { ...event, text: 'x'.repeat(5_000) };
    expect(decodeEvent('k', encodeEvent(long)).text).toHaveLength(1_024);
  });
});
