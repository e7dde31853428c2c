import { describe, expect, it } from 'vitest';
import { decodeMirror, encodeMirror, nobody, type StoredMirror } from '../../../src/mirrors/record.js';
import { MirrorRecords } from '../../../src/mirrors/records.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';

const ids = ['a', 'b', 'c'].map((letter) => `${letter.repeat(8)}-1111-2222-3333-444444444444`);
const [first = '', second = '', node = ''] = ids;

const mirror: StoredMirror = {
  volumeUuid: '99999999-1111-2222-3333-444444444444',
  record: {
    revision: 5n,
    epoch: (1n << 60n) + 1n,
    head: node,
    headStopped: true,
    members: [
      { uuid: first, inSync: true, sealedEpoch: 1n << 60n },
      { uuid: second, inSync: false, sealedEpoch: 0n },
    ],
    minInSync: 2,
    blockSizeBytes: 512,
    blocksCount: 1n << 43n,
  },
};

const fields = (): Record<string, unknown> => JSON.parse(Buffer.from(encodeMirror(mirror)).toString());
const member = (changes: object) => [{ uuid: first, inSync: true, sealedEpoch: '1', ...changes }];

describe('the record of a mirrored volume', () => {
  it('is what it was after its way through the store, with the revision of the store', () => {
    expect(decodeMirror('db', encodeMirror(mirror), 5n)).toEqual(mirror);
  });

  it('of version 1 does not know whether its head has stopped: it has not', () => {
    const { headStopped: _none, ...first } = fields();
    const value = Buffer.from(JSON.stringify({ ...first, version: 1 }));
    expect(decodeMirror('db', value, 5n).record).toEqual({ ...mirror.record, headStopped: false });
  });

  it.each([
    ['not JSON', Buffer.from('{"version":1')],
    ['a list', Buffer.from('[]')],
    ['nothing', Buffer.alloc(0)],
    ['another version', { version: 3 }],
    ['a field that is not known', { extra: 1 }],
    ['no UUID of the volume', { volumeUuid: 'x' }],
    ['the nil UUID of the volume', { volumeUuid: nobody }],
    ['an epoch that is a number', { epoch: 7 }],
    ['a negative epoch', { epoch: '-1' }],
    ['an epoch above 2^64', { epoch: '18446744073709551616' }],
    ['no head', { head: '' }],
    ['a head that may have stopped', { headStopped: 'yes' }],
    ['nothing of whether its head stopped', { headStopped: undefined }],
    ['an epoch without a head', { head: nobody }],
    ['a head without an epoch', { epoch: '0', members: member({ sealedEpoch: '0' }), minInSync: 1 }],
    ['no members', { members: [] }],
    ['members that are none', { members: [1, 2] }],
    ['a member twice', { members: [...member({}), ...member({})] }],
    ['a member that says more', { members: member({ more: 1 }), minInSync: 1 }],
    ['a member that may be in sync', { members: member({ inSync: 'yes' }), minInSync: 1 }],
    ['nobody in sync', { members: member({ inSync: false }), minInSync: 1 }],
    ['a member ahead of its epoch', { epoch: '3', members: member({ sealedEpoch: '4' }), minInSync: 1 }],
    ['more in sync than there are', { minInSync: 3 }],
    ['half a member in sync', { minInSync: 1.5 }],
    ['blocks of 1024', { blockSizeBytes: 1024 }],
    ['no blocks', { blocksCount: '0' }],
  ])('refuses %s, and says whose it is', (_what, change) => {
    const value = Buffer.isBuffer(change) ? change : Buffer.from(JSON.stringify({ ...fields(), ...change }));
    expect(() => decodeMirror('db', value, 1n)).toThrow(
      expect.objectContaining({ code: 'MIRROR_RECORD_DAMAGED', mirror: 'db' }),
    );
  });

  it('needs every field', () => {
    for (const key of Object.keys(fields())) {
      const { [key]: _left, ...rest } = fields();
      expect(() => decodeMirror('db', Buffer.from(JSON.stringify(rest)), 1n), key).toThrow(/its record/);
    }
  });
});

describe('records in a store', () => {
  it('change from the revision that was seen, and from no other', async () => {
    const records = new MirrorRecords(openMemoryStore());
    expect(await records.get('db')).toBeUndefined();
    const fresh = { ...mirror, record: { ...mirror.record, revision: 0n } };
    const made = await records.swap('db', fresh);
    expect(made?.revision).toBeGreaterThan(0n);
    expect(await records.swap('db', fresh)).toBeUndefined();
    const next = {
      ...mirror,
      record: { ...mirror.record, epoch: 1n << 61n, revision: made?.revision ?? 0n },
    };
    expect((await records.swap('db', next))?.revision).toBeGreaterThan(made?.revision ?? 0n);
    expect((await records.get('db'))?.record.epoch).toBe(1n << 61n);
    expect(await records.swap('db', next)).toBeUndefined();
  });

  it('know one node, however often it is asked for', async () => {
    const store = openMemoryStore();
    const node1 = await new MirrorRecords(store).node();
    expect(await new MirrorRecords(store).node()).toBe(node1);
    await store.commit([], [{ type: 'put', key: 'node/id', value: Buffer.from('{}') }]);
    await expect(new MirrorRecords(store).node()).rejects.toThrow(
      expect.objectContaining({ code: 'STORE_FAILED' }),
    );
  });
});
