// Copies: snapshots and clones, groups at one moment, and what a backup reads of them. What a process that
// was cut off leaves behind is made right by the same call.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UnreachableError } from '../../../src/base/errors.js';
import { RestStorage } from '../../../src/csi/storage.js';
import { gib } from '../../support/pool-harness.js';
import { CsiHarness, statusOf } from './harness.js';

let csi: CsiHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
});
afterEach(() => csi.close());

const uuid = '11111111-2222-4333-8444-999999999999';
const ofVolume = (volumeId: string) => ({ volumeContentSource: { volume: { volumeId } } });
const ofSnapshot = (snapshotId: string) => ({ volumeContentSource: { snapshot: { snapshotId } } });
const snapshotsIn = async (volume: string) => (await csi.storage.snapshots(volume)).map(({ name }) => name);

type Verb = 'createSnapshots' | 'createVolume' | 'deleteSnapshot';

/** Loses the answers of a method, of which the work was done, or the calls themselves. */
class Cut extends RestStorage {
  readonly method: Verb;
  readonly done: boolean;

  constructor(
    method: Verb,
    done: boolean,
    /** As a process that ends there: what it would have done after is not done either. */
    readonly forGood = false,
  ) {
    super(csi.storage.endpoint);
    this.method = method;
    this.done = done;
  }

  #isOver = false;

  override createSnapshots(...args: Parameters<RestStorage['createSnapshots']>) {
    return this.#cut('createSnapshots', () => super.createSnapshots(...args));
  }

  override createVolume(...args: Parameters<RestStorage['createVolume']>) {
    return this.#cut('createVolume', () => super.createVolume(...args));
  }

  override deleteSnapshot(...args: Parameters<RestStorage['deleteSnapshot']>) {
    return this.#cut('deleteSnapshot', () => super.deleteSnapshot(...args));
  }

  async #cut<T>(method: string, work: () => Promise<T>): Promise<T> {
    if (!this.#isOver && method !== this.method) return work();
    if (!this.#isOver && this.done) await work();
    this.#isOver = this.forGood;
    throw new UnreachableError('unix:api.sock', 'the connection was lost');
  }
}

describe('a clone of a volume', () => {
  it('holds what the volume held, may be larger, and leaves nothing in it', async () => {
    const { volumeId } = await csi.volume('v');
    csi.world.engine.write('p', 'csi-v', 5n, 42);
    const clone = await csi.volume('w', {
      ...ofVolume(volumeId),
      capacityRange: { requiredBytes: 2n * gib },
    });
    expect(clone).toMatchObject({ capacityBytes: String(2n * gib), contentSource: { volume: { volumeId } } });
    csi.world.engine.write('p', 'csi-v', 5n, 43);
    expect(csi.world.engine.volume('p', 'csi-w').content.get(5n)).toBe(42);
    expect(await snapshotsIn('csi-v')).toEqual([]);
    expect(
      await csi.volume('w', { ...ofVolume(volumeId), capacityRange: { requiredBytes: 2n * gib } }),
    ).toEqual(clone);
    expect(await statusOf(csi.call('DeleteVolume', { volumeId }))).toBe('OK');
    expect(csi.world.engine.volume('p', 'csi-w').content.get(5n)).toBe(42);
  });

  it('is as large as the volume where nothing is asked for, and never smaller', async () => {
    const { volumeId } = await csi.volume('v', { capacityRange: { requiredBytes: 3n * gib } });
    expect((await csi.volume('w', { ...ofVolume(volumeId), capacityRange: null })).capacityBytes).toBe(
      String(3n * gib),
    );
    const small = { capacityRange: { requiredBytes: gib, limitBytes: 2n * gib } };
    expect(await statusOf(csi.volume('x', { ...ofVolume(volumeId), ...small }))).toBe('OUT_OF_RANGE');
    const least = { capacityRange: { requiredBytes: gib } };
    expect((await csi.volume('y', { ...ofVolume(volumeId), ...least })).capacityBytes).toBe(String(3n * gib));
    expect(await snapshotsIn('csi-v')).toEqual([]);
  });

  it('of an encrypted volume is encrypted as that is', async () => {
    const { volumeId } = await csi.volume('v', { parameters: { encrypted: 'true' } });
    await csi.volume('w', ofVolume(volumeId));
    expect(await csi.storage.volume('csi-w')).toMatchObject({ encrypted: true });
    const plain = { ...ofVolume(volumeId), parameters: { encrypted: 'false' } };
    expect(await statusOf(csi.volume('x', plain))).toBe('INVALID_ARGUMENT');
    expect(await snapshotsIn('csi-v')).toEqual([]);
  });

  it.each([
    ['createSnapshots', false, false],
    ['createSnapshots', true, false],
    ['createVolume', false, false],
    ['createVolume', true, false],
    ['createVolume', false, true],
    ['createVolume', true, true],
    ['deleteSnapshot', true, true],
  ] as const)(
    'K20: cut off at %s (done: %s, for good: %s) is finished by the same call',
    async (method, done, forGood) => {
      const { volumeId } = await csi.volume('v');
      csi.world.engine.write('p', 'csi-v', 1n, 1);
      await csi.startDriver({ storage: new Cut(method, done, forGood) });
      // The volume is there when only its snapshot was left.
      expect(await statusOf(csi.volume('w', ofVolume(volumeId)))).toBe(
        method === 'deleteSnapshot' ? 'OK' : 'UNAVAILABLE',
      );
      await csi.startDriver();
      csi.world.engine.write('p', 'csi-v', 1n, 2);
      await csi.volume('w', ofVolume(volumeId));
      expect(await snapshotsIn('csi-v')).toEqual([]);
      const content = csi.world.engine.volume('p', 'csi-w').content;
      expect(content.get(1n)).toBe(method !== 'createSnapshots' && done ? 1 : 2);
      expect(await statusOf(csi.call('DeleteVolume', { volumeId }))).toBe('OK');
    },
  );

  it('that leaves its snapshot says so in the log, and keeps nobody from deleting the volume', async () => {
    const { volumeId } = await csi.volume('v');
    await csi.startDriver({ storage: new Cut('deleteSnapshot', false) });
    await csi.volume('w', ofVolume(volumeId));
    expect(csi.lines.filter(({ level }) => level === 40)).toMatchObject([{ room: 'csi' }]);
    expect(await snapshotsIn('csi-v')).toHaveLength(1);
    await csi.startDriver();
    expect((await csi.call('ListSnapshots')).entries).toEqual([]);
    expect(await statusOf(csi.call('DeleteVolume', { volumeId }))).toBe('OK');
  });

  it('made by many at once is one', async () => {
    const { volumeId } = await csi.volume('v');
    const all = await Promise.all(Array.from({ length: 20 }, () => csi.volume('w', ofVolume(volumeId))));
    expect(new Set(all.map((one) => one.volumeId)).size).toBe(1);
    expect(await snapshotsIn('csi-v')).toEqual([]);
  });

  it('keeps its source from being deleted while it is made', async () => {
    const { volumeId } = await csi.volume('v');
    let deleted: Promise<string> | undefined;
    class Busy extends RestStorage {
      override async createVolume(...args: Parameters<RestStorage['createVolume']>) {
        deleted = statusOf(csi.call('DeleteVolume', { volumeId }));
        // Answered after that has arrived, and asks the daemon as often as that would have to.
        for (let turn = 0; turn < 20; turn += 1) await csi.identity('Probe');
        return super.createVolume(...args);
      }
    }
    await csi.startDriver({ storage: new Busy(csi.storage.endpoint) });
    expect((await csi.volume('w', ofVolume(volumeId))).volumeId).toMatch(/./);
    expect(await deleted).toBe('OK');
    expect(await statusOf(csi.call('ControllerGetVolume', { volumeId }))).toBe('NOT_FOUND');
  });
});

describe('snapshots', () => {
  it('restore to a volume of their own, which stays when they go', async () => {
    const { volumeId } = await csi.volume('v');
    csi.world.engine.write('p', 'csi-v', 5n, 42);
    const { snapshotId } = await csi.snapshot(volumeId, 's');
    csi.world.engine.write('p', 'csi-v', 5n, 43);
    await csi.volume('w', ofSnapshot(snapshotId));
    await csi.call('DeleteSnapshot', { snapshotId });
    expect(csi.world.engine.volume('p', 'csi-w').content.get(5n)).toBe(42);
    expect(await statusOf(csi.volume('w', ofSnapshot(snapshotId)))).toBe('OK'); // it is there, of that
    expect(await statusOf(csi.volume('x', ofSnapshot(snapshotId)))).toBe('NOT_FOUND');
  });

  it('K17: of what is not there are NOT_FOUND, with parameters INVALID_ARGUMENT', async () => {
    expect(await statusOf(csi.snapshot(uuid, 's'))).toBe('NOT_FOUND');
    const { volumeId } = await csi.volume('v');
    const odd = { sourceVolumeId: volumeId, name: 's', parameters: { colour: 'red' } };
    expect(await statusOf(csi.call('CreateSnapshot', odd))).toBe('INVALID_ARGUMENT');
    const told = { ...odd, parameters: { 'csi.storage.k8s.io/volumesnapshot/name': 'x' } };
    expect(await statusOf(csi.call('CreateSnapshot', told))).toBe('OK');
  });

  it.each(['ListVolumes', 'ListSnapshots'])(
    'K17: %s refuses a bad token and a negative count',
    async (method) => {
      expect(await statusOf(csi.call(method, { maxEntries: -1 }))).toBe('INVALID_ARGUMENT');
      for (const startingToken of ['1', '~', `2026-01-01T00:00:00.000Z~${'x'.repeat(36)}`, '../x', ' ']) {
        expect(await statusOf(csi.call(method, { startingToken }))).toBe('ABORTED');
      }
    },
  );

  it('by many at once are one', async () => {
    const { volumeId } = await csi.volume('v');
    const all = await Promise.all(Array.from({ length: 50 }, () => csi.snapshot(volumeId, 's')));
    expect(new Set(all.map(({ snapshotId }) => snapshotId)).size).toBe(1);
    expect(await snapshotsIn('csi-v')).toEqual(['csi-s']);
  });

  it('of one name by many at once for two volumes are of one of them', async () => {
    const ids = [(await csi.volume('v')).volumeId, (await csi.volume('w')).volumeId];
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, index) => statusOf(csi.snapshot(ids[index % 2] as string, 's'))),
    );
    expect(all.filter((status) => status === 'OK')).toHaveLength(10);
    expect(all.filter((status) => status === 'ALREADY_EXISTS')).toHaveLength(10);
  });
});

describe('groups', () => {
  const create = (name: string, ...sourceVolumeIds: string[]) =>
    csi.group('CreateVolumeGroupSnapshot', { name, sourceVolumeIds });
  let ids: string[];
  beforeEach(async () => {
    ids = [];
    for (const name of ['a', 'b', 'c']) ids.push((await csi.volume(name)).volumeId);
    csi.world.changes();
  });

  it('are taken at one moment, once for a name, and found again', async () => {
    const { groupSnapshot } = await create('g', ...ids);
    expect(csi.world.changes()).toHaveLength(1);
    expect(groupSnapshot.snapshots.map((one: { sourceVolumeId: string }) => one.sourceVolumeId)).toEqual(ids);
    for (const { groupSnapshotId, readyToUse } of groupSnapshot.snapshots) {
      expect([groupSnapshotId, readyToUse]).toEqual([groupSnapshot.groupSnapshotId, true]);
    }
    const again = await create('g', ...[...ids].reverse());
    expect(new Set(again.groupSnapshot.snapshots)).toEqual(new Set(groupSnapshot.snapshots));
    await csi.startDriver();
    const { groupSnapshotId } = groupSnapshot;
    const snapshotIds = groupSnapshot.snapshots.map((one: { snapshotId: string }) => one.snapshotId);
    expect(
      (await csi.group('GetVolumeGroupSnapshot', { groupSnapshotId })).groupSnapshot.snapshots,
    ).toHaveLength(3);
    expect(await statusOf(csi.group('GetVolumeGroupSnapshot', { groupSnapshotId, snapshotIds }))).toBe('OK');
    const few = { groupSnapshotId, snapshotIds: snapshotIds.slice(1) };
    expect(await statusOf(csi.group('GetVolumeGroupSnapshot', few))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(csi.group('DeleteVolumeGroupSnapshot', few))).toBe('INVALID_ARGUMENT');
    expect((await csi.call('ListSnapshots')).entries).toHaveLength(3);
  });

  it('of one name and other volumes are ALREADY_EXISTS', async () => {
    await create('g', ...ids.slice(1));
    expect(await statusOf(create('g', ...ids))).toBe('ALREADY_EXISTS');
    expect(await statusOf(create('g', ids[0] as string))).toBe('ALREADY_EXISTS');
    expect((await csi.call('ListSnapshots')).entries).toHaveLength(2);
  });

  it('are refused with a volume that is not there, twice there, or of another pool', async () => {
    expect(await statusOf(create('g', ...ids, uuid))).toBe('NOT_FOUND');
    expect(await statusOf(create('g', ids[0] as string, ids[0] as string))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(create('g'))).toBe('INVALID_ARGUMENT');
    const many = Array.from({ length: 129 }, (_, index) =>
      uuid.replace('999', String(index).padStart(3, '0')),
    );
    expect(await statusOf(create('g', ...many))).toBe('INVALID_ARGUMENT');
    await csi.world.pool('q');
    const other = await csi.volume('d', { parameters: { pool: 'q' } });
    expect(await statusOf(create('g', ...ids, other.volumeId))).toBe('FAILED_PRECONDITION');
    expect((await csi.call('ListSnapshots')).entries).toEqual([]);
  });

  it('are deleted together, and only so; also what a cut-off left of one', async () => {
    const { groupSnapshot } = await create('g', ...ids);
    const { groupSnapshotId, snapshots } = groupSnapshot;
    const snapshotIds = snapshots.map((one: { snapshotId: string }) => one.snapshotId);
    expect(await statusOf(csi.call('DeleteSnapshot', { snapshotId: snapshotIds[0] }))).toBe(
      'INVALID_ARGUMENT',
    );
    const alone = await csi.snapshot(ids[0] as string, 's');
    const foreign = { groupSnapshotId, snapshotIds: [...snapshotIds, alone.snapshotId] };
    expect(await statusOf(csi.group('DeleteVolumeGroupSnapshot', foreign))).toBe('INVALID_ARGUMENT');
    await csi.startDriver({ storage: new Cut('deleteSnapshot', true) });
    const whole = { groupSnapshotId, snapshotIds };
    expect(await statusOf(csi.group('DeleteVolumeGroupSnapshot', whole))).toBe('UNAVAILABLE');
    await csi.startDriver();
    expect((await csi.call('ListSnapshots')).entries).toHaveLength(3);
    expect(await statusOf(csi.group('DeleteVolumeGroupSnapshot', whole))).toBe('OK');
    expect(await statusOf(csi.group('DeleteVolumeGroupSnapshot', whole))).toBe('OK');
    expect((await csi.call('ListSnapshots')).entries).toMatchObject([{ snapshot: alone }]);
    expect(await statusOf(csi.group('GetVolumeGroupSnapshot', { groupSnapshotId }))).toBe('NOT_FOUND');
  });

  it('have members that volumes are made of', async () => {
    csi.world.engine.write('p', 'csi-b', 7n, 7);
    const { groupSnapshot } = await create('g', ...ids);
    await csi.volume('w', ofSnapshot(groupSnapshot.snapshots[1].snapshotId));
    expect(csi.world.engine.volume('p', 'csi-w').content.get(7n)).toBe(7);
  });
});

describe('snapshot metadata', () => {
  const kib4 = 4096;
  let snapshotId: string;
  let later: string;
  beforeEach(async () => {
    const { volumeId } = await csi.volume('v');
    const write = (...blocks: number[]) => {
      for (const block of blocks) csi.world.engine.write('p', 'csi-v', BigInt(block), block);
    };
    write(...Array.from({ length: 3000 }, (_, index) => index * 2));
    ({ snapshotId } = await csi.snapshot(volumeId, 's'));
    write(1, 9, 10_001);
    ({ snapshotId: later } = await csi.snapshot(volumeId, 't'));
    write(3);
  });

  const blocksOf = (messages: { blockMetadata: { byteOffset: string; sizeBytes: string }[] }[]) =>
    messages.flatMap(({ blockMetadata }) =>
      blockMetadata.map(({ byteOffset, sizeBytes }) => [Number(byteOffset) / kib4, Number(sizeBytes) / kib4]),
    );
  const allocated = (request: object = {}) =>
    csi.metadata('GetMetadataAllocated', { snapshotId, ...request });
  const delta = (request: object = {}) =>
    csi.metadata('GetMetadataDelta', { baseSnapshotId: snapshotId, targetSnapshotId: later, ...request });

  it('streams what a snapshot holds, in order and in pages', async () => {
    const messages = await allocated();
    expect(messages.map(({ blockMetadata }) => blockMetadata.length)).toEqual([1024, 1024, 952]);
    expect(blocksOf(messages)).toEqual(Array.from({ length: 3000 }, (_, index) => [index * 2, 1]));
    for (const { blockMetadataType, volumeCapacityBytes } of messages) {
      expect([blockMetadataType, volumeCapacityBytes]).toEqual(['VARIABLE_LENGTH', String(gib)]);
    }
  });

  it('streams what differs', async () => {
    expect(blocksOf(await delta())).toEqual([
      [1, 1],
      [9, 1],
      [10_001, 1],
    ]);
  });

  it('keeps to the bound of a message, and goes on from an offset', async () => {
    const small = await allocated({ maxResults: 7 });
    expect(Math.max(...small.map(({ blockMetadata }) => blockMetadata.length))).toBe(7);
    expect(blocksOf(small)).toHaveLength(3000);
    expect(blocksOf(await allocated({ maxResults: 100_000 }))).toHaveLength(3000);
    expect(blocksOf(await delta({ startingOffset: String(2 * kib4) }))).toEqual([
      [9, 1],
      [10_001, 1],
    ]);
    expect(await allocated({ startingOffset: String(gib) })).toEqual([]);
  });

  it('refuses what cannot be', async () => {
    expect(await statusOf(allocated({ startingOffset: '-1' }))).toBe('OUT_OF_RANGE');
    expect(await statusOf(allocated({ startingOffset: String(gib + 1n) }))).toBe('OUT_OF_RANGE');
    expect(await statusOf(allocated({ maxResults: -1 }))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(allocated({ snapshotId: '' }))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(allocated({ snapshotId: `${uuid}_${uuid}` }))).toBe('NOT_FOUND');
    expect(await statusOf(delta({ baseSnapshotId: '' }))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(delta({ targetSnapshotId: '' }))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(delta({ targetSnapshotId: 'x' }))).toBe('NOT_FOUND');
    expect(await statusOf(delta({ targetSnapshotId: snapshotId }))).toBe('INVALID_ARGUMENT');
    const back = { baseSnapshotId: later, targetSnapshotId: snapshotId };
    expect(await statusOf(delta(back))).toBe('INVALID_ARGUMENT');
    const other = await csi.snapshot((await csi.volume('w')).volumeId, 'u');
    expect(await statusOf(delta({ targetSnapshotId: other.snapshotId }))).toBe('INVALID_ARGUMENT');
  });
});
