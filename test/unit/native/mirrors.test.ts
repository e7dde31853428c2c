// What JavaScript may not ask of replicas and mirrored volumes, and heads that come and go; what members and
// heads do is in test/e2e/mirror.test.ts.
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/native/index.js';
import type {
  MirrorOptions,
  MirrorRecord,
  ReplicaOptions,
  StoreAnswer,
} from '../../../src/native/mirror-types.js';
import type { VolumeOptions } from '../../../src/native/types.js';
import { rejection, startEngine, temporaryFolder } from './helpers.js';

const loose = <T>(value: unknown): T => value as T;
const uuid = (letter: string) => `${letter.repeat(8)}-1111-2222-3333-444444444444`;
const nil = '00000000-0000-0000-0000-000000000000';

let engine: Engine;
beforeEach(async () => {
  engine = await startEngine();
});

const record = {
  revision: 1n,
  epoch: 0n,
  head: nil,
  headStopped: true,
  members: [
    { uuid: uuid('a'), inSync: true, sealedEpoch: 0n },
    { uuid: uuid('b'), inSync: false, sealedEpoch: 0n },
  ],
  minInSync: 1,
  blockSizeBytes: 4096,
  blocksCount: 1024n,
};

describe('addReplica', () => {
  const valid: ReplicaOptions = { name: 'r1', path: '/x', sizeBytes: 1n << 20n, uuid: uuid('a') };
  it.each([
    ['name', { name: '' }],
    ['path', { path: undefined }],
    ['path', { pool: 'p', volume: 'v' }],
    ['volume', { path: undefined, sizeBytes: undefined, pool: 'p' }],
    ['sizeBytes', { path: undefined, pool: 'p', volume: 'v' }],
    ['sizeBytes', { sizeBytes: 4095n }],
    ['sizeBytes', { sizeBytes: (4n << 50n) + 4096n }],
    ['blockSizeBytes', { blockSizeBytes: 1024 }],
    ['uuid', { uuid: nil }],
    ['volumeUuid', { volumeUuid: 'x' }],
    ['content', { content: 'much' }],
    ['hosts', { hosts: 'all' }],
  ])('refuses a wrong %s (case %#)', async (argument, change) => {
    const error = await rejection(engine.addReplica(loose<ReplicaOptions>({ ...valid, ...change })));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', argument });
  });
});

describe('addVolume of a mirrored volume', () => {
  const mirror: MirrorOptions = {
    members: [
      { uuid: uuid('a'), replica: 'r1' },
      { uuid: uuid('b'), address: { host: '127.0.0.1', port: 4420 } },
    ],
    record,
    node: uuid('c'),
    hostNqn: 'nqn.2026-11.dev.ballast:host:a',
    hostId: uuid('d'),
  };
  const volume = (change: object, options: object = {}) =>
    loose<VolumeOptions>({
      ...{ name: 'db', kind: 'mirror', nqn: 'nqn.2026-11.dev.ballast:volume:db', uuid: uuid('e') },
      mirror: { ...mirror, ...change },
      ...options,
    });

  it.each([
    ['members', { members: [] }],
    ['members', { members: [mirror.members[1], mirror.members[0]] }],
    ['members', { members: [mirror.members[0], { uuid: uuid('b') }] }],
    [
      'members.address',
      { members: [mirror.members[0], { uuid: uuid('b'), address: { host: 'x', port: 1 } }] },
    ],
    ['record.members', { record: { ...record, members: [] }, members: [] }],
    ['record.minInSync', { record: { ...record, minInSync: 3 } }],
    ['record.blockSizeBytes', { record: { ...record, blockSizeBytes: 1024 } }],
    ['record.epoch', { record: { ...record, epoch: 1 } }],
    ['record.head', { record: { ...record, head: '' } }],
    ['sizeBytes', { record: { ...record, blocksCount: 0n } }],
    ['node', { node: nil }],
    ['leaseMs', { leaseMs: 0 }],
    ['latencyBudgetMs', { latencyBudgetMs: -1 }],
    ['resyncBytesPerSecond', { resyncBytesPerSecond: 5 }],
    ['failBelowMin', { failBelowMin: 'yes' }],
  ])('refuses a wrong %s (case %#)', async (argument, change) => {
    expect(await rejection(engine.addVolume(volume(change)))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      argument,
    });
  });

  it('needs a mirror for a mirrored volume, and for no other, and has the size of its record', async () => {
    const refused = { code: 'INVALID_ARGUMENT' };
    expect(await rejection(engine.addVolume(volume({}, { mirror: undefined })))).toMatchObject(refused);
    expect(await rejection(engine.addVolume(volume({}, { kind: 'null', sizeBytes: 4096n })))).toMatchObject(
      refused,
    );
    expect(await rejection(engine.addVolume(volume({}, { sizeBytes: 4096n })))).toMatchObject(refused);
  });
});

describe('answerStore', () => {
  it.each([
    ['answer', { kind: 'perhaps' }],
    ['record', { kind: 'stored' }],
    ['record.revision', { kind: 'differs', current: { ...record, revision: -1n } }],
  ])('refuses a wrong %s (case %#)', (argument, answer) => {
    expect(() => engine.answerStore('db', loose<StoreAnswer>(answer))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', argument }),
    );
  });
});

describe('a head that comes and goes', () => {
  const replica = uuid('a');
  const one: MirrorRecord = {
    ...record,
    members: [{ uuid: replica, inSync: true, sealedEpoch: 0n }],
    blockSizeBytes: 4096,
    blocksCount: 256n,
  };
  const nqn = 'nqn.2026-11.dev.ballast:volume:db';
  const mirror: MirrorOptions = {
    members: [{ uuid: replica, replica: 'r1' }],
    record: one,
    ...{ node: uuid('c'), hostNqn: 'nqn.2026-11.dev.ballast:host:a', hostId: uuid('d'), leaseMs: 100 },
  };

  it('leaves the volume to its hosts, whose I/O is a path error until there is one', async () => {
    let stored: MirrorRecord = one;
    const events: string[] = [];
    engine.listenToMirrors({
      onStoreRequest: ({ volume, expectedRevision, wanted }) => {
        stored = { ...wanted, revision: expectedRevision + 1n };
        engine.answerStore(volume, { kind: 'stored', current: stored });
      },
      onHeadState: (volume, state) => events.push(`${volume} ${state}`),
      onSeal: (name, sealed) => events.push(`${name} ${sealed ? 'sealed' : 'left'}`),
    });
    const path = join(temporaryFolder(), 'r1');
    const kept = { name: 'r1', path, sizeBytes: 1n << 20n, uuid: replica, content: 'complete' } as const;
    await engine.addReplica(kept);
    await engine.addVolume({
      ...{ name: 'db', kind: 'mirror', nqn, uuid: uuid('e') },
      mirror: { ...mirror, standby: true },
    });
    const { host, port } = await engine.listen({ host: '127.0.0.1', port: 0 });
    const controller = await engine.connect({ host, port, nqn });
    const namespace = controller.namespace(1);
    if (namespace === undefined) throw new Error('the volume has no namespace');
    const data = Buffer.alloc(4096, 7);
    const noHead = { code: 'NVME_STATUS', status: { name: 'Asymmetric Access Inaccessible' } };
    expect(await rejection(namespace.write(0n, data))).toMatchObject(noHead);
    expect((await engine.mirrorInfo('db')).state).toBe('standby');
    expect(await rejection(engine.setMirrorResyncRate('db', 1n))).toMatchObject({ code: 'MIRROR_CONFLICT' });

    await engine.promoteMirror('db', mirror);
    await namespace.write(0n, data); // waits until it serves
    expect(events).toContain('r1 sealed');
    expect(events).toContain('db serving');
    expect((await engine.mirrorInfo('db')).state).toBe('serving');
    expect(await rejection(engine.promoteMirror('db', mirror))).toMatchObject({ code: 'MIRROR_CONFLICT' });
    expect(await rejection(engine.startMirrorVerify('db'))).toMatchObject({
      ...{
        code: 'MIRROR_CONFLICT',
        reason: 'only one member is in sync: there is nothing to compare it with',
      },
    });
    expect((await engine.mirrorInfo('db')).resyncBytesPerSecond).toBe(0n);
    await engine.setMirrorResyncRate('db', 1n << 40n);
    expect((await engine.mirrorInfo('db')).resyncBytesPerSecond).toBe(1n << 40n);
    await engine.cancelMirrorVerify('db'); // of none
    expect((await engine.mirrorInfo('db')).verify).toBeUndefined();

    await engine.demoteMirror('db');
    expect(stored).toMatchObject({ epoch: 1n, headStopped: true });
    expect(events).toContain('r1 left');
    expect((await engine.mirrorInfo('db')).record).toEqual(stored);
    expect(await rejection(namespace.read(0n, 1))).toMatchObject(noHead);
    await controller.close();
  });

  it('ends beside others that are demoted at once, not after each of them', async () => {
    const stored = new Map<string, MirrorRecord>();
    const ends: (() => void)[] = [];
    const names = ['a', 'b', 'c'];
    engine.listenToMirrors({
      onStoreRequest: ({ volume, expectedRevision, wanted }) => {
        const current = { ...wanted, revision: expectedRevision + 1n };
        const answer = () => {
          stored.set(volume, current);
          engine.answerStore(volume, { kind: 'stored', current });
        };
        if (!wanted.headStopped) return answer();
        // The store is slow: nobody has an answer before all have asked.
        ends.push(answer);
        if (ends.length === names.length) for (const end of ends) end();
      },
    });
    for (const [index, name] of names.entries()) {
      const id = uuid(`${index + 1}`);
      const path = join(temporaryFolder(), name);
      await engine.addReplica({ name, path, sizeBytes: 1n << 20n, uuid: id, content: 'complete' });
      const members = [{ uuid: id, inSync: true, sealedEpoch: 0n }];
      await engine.addVolume({
        ...{ name, kind: 'mirror', nqn: `${nqn}-${name}`, uuid: uuid(`${index + 5}`) },
        mirror: { ...mirror, members: [{ uuid: id, replica: name }], record: { ...one, members } },
      });
    }
    const serves = async (name: string) => (await engine.mirrorInfo(name)).state === 'serving';
    for (const name of names) await expect.poll(() => serves(name)).toBe(true);
    await Promise.all(names.map((name) => engine.demoteMirror(name)));
    expect([...stored.values()].map(({ headStopped }) => headStopped)).toEqual([true, true, true]);
  });

  it('is of a volume that is served', async () => {
    expect(await rejection(engine.promoteMirror('db', mirror))).toMatchObject({ code: 'MIRROR_CONFLICT' });
    expect(await rejection(engine.demoteMirror('db'))).toMatchObject({ code: 'MIRROR_NOT_FOUND' });
    expect(await rejection(engine.startMirrorVerify('db'))).toMatchObject({ code: 'MIRROR_NOT_FOUND' });
  });
});
