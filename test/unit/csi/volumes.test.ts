// CreateVolume and what becomes of volumes: one for a name, sizes, parameters, names and ids of any kind.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RemoteError } from '../../../src/client/remote-error.js';
import { storageName } from '../../../src/csi/names.js';
import { RestStorage } from '../../../src/csi/storage.js';
import { gib, mib } from '../../support/pool-harness.js';
import { blockWriter, CsiHarness, mountWriter, statusOf } from './harness.js';

let csi: CsiHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
});
afterEach(() => csi.close());

const made = () => csi.world.changes().filter((call) => /^(?:create|clone)PoolVolume /.test(call));
const range = (requiredBytes: bigint | string, limitBytes: bigint | string = '0') => ({
  capacityRange: { requiredBytes: String(requiredBytes), limitBytes: String(limitBytes) },
});

describe('K2: one name', () => {
  it('asked for a hundred times at once is one volume', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => csi.volume('pvc-1')));
    expect(new Set(all.map(({ volumeId }) => volumeId)).size).toBe(1);
    expect(made()).toEqual(['createPoolVolume p csi-pvc-1']);
  });

  it('is the same volume for the next process', async () => {
    const before = await csi.volume('pvc-1');
    await csi.startDriver();
    expect(await csi.volume('pvc-1')).toEqual(before);
  });

  it('that was deleted is another volume, and the old id is of nothing', async () => {
    const { volumeId } = await csi.volume('pvc-1');
    await csi.call('DeleteVolume', { volumeId });
    const next = await csi.volume('pvc-1');
    expect(next.volumeId).not.toBe(volumeId);
    await csi.call('DeleteVolume', { volumeId });
    expect(await statusOf(csi.call('ControllerGetVolume', { volumeId: next.volumeId }))).toBe('OK');
  });

  it('that the daemon is still making for another process is ABORTED, and there when made', async () => {
    class Busy extends RestStorage {
      override async createVolume(): Promise<never> {
        throw new RemoteError('DUPLICATE_VOLUME', "volume 'csi-pvc-1': it is being made", 409, {});
      }
    }
    await csi.startDriver({ storage: new Busy(csi.storage.endpoint) });
    expect(await statusOf(csi.volume('pvc-1'))).toBe('ABORTED');
    await csi.storage.createVolume({ name: 'csi-pvc-1', sizeBytes: gib.toString() });
    expect(await statusOf(csi.volume('pvc-1'))).toBe('OK');
  });

  it('of an administrator is never taken for one of CSI', async () => {
    await csi.world.volume('db');
    const { volumeId } = await csi.volume('db', range(16n * mib));
    await csi.call('DeleteVolume', { volumeId });
    expect(csi.world.served()).toContain('db');
  });
});

describe('K3: the same name with something else', () => {
  it.each([
    ['size', range(2n * gib)],
    ['size below', range(mib, 2n * mib)],
    ['pool', { parameters: { pool: 'q' } }],
    ['thin', { parameters: { thin: 'false' } }],
    ['encrypted', { parameters: { encrypted: 'true' } }],
  ])('%s is ALREADY_EXISTS', async (_what, request) => {
    await csi.volume('v');
    expect(await statusOf(csi.volume('v', request))).toBe('ALREADY_EXISTS');
    expect((await csi.call('ListVolumes')).entries).toHaveLength(1);
  });

  it('K3: source is ALREADY_EXISTS', async () => {
    const { volumeId } = await csi.volume('v');
    const [s, t] = [await csi.snapshot(volumeId, 's'), await csi.snapshot(volumeId, 't')];
    const from = (snapshotId: string) => ({ volumeContentSource: { snapshot: { snapshotId } } });
    await csi.volume('empty');
    const other = await csi.volume('other');
    const of = (volumeId: string) => ({ volumeContentSource: { volume: { volumeId } } });
    await csi.volume('clone', from(s.snapshotId));
    await csi.volume('copy', of(volumeId));
    expect(await statusOf(csi.volume('copy', of(volumeId)))).toBe('OK');
    expect(await statusOf(csi.volume('clone', from(s.snapshotId)))).toBe('OK');
    for (const [name, request] of [
      ['clone', {}],
      ['clone', from(t.snapshotId)],
      ['clone', { volumeContentSource: { volume: { volumeId } } }],
      ['copy', of(other.volumeId)],
      ['copy', from(s.snapshotId)],
      ['copy', {}],
      ['empty', from(s.snapshotId)],
      ['empty', { volumeContentSource: { volume: { volumeId } } }],
    ] as const) {
      expect(await statusOf(csi.volume(name, request)), JSON.stringify([name, request])).toBe(
        'ALREADY_EXISTS',
      );
    }
  });

  it('within what is asked for is the volume that is there', async () => {
    const { volumeId } = await csi.volume('v');
    expect((await csi.volume('v', range(mib, 10n * gib))).volumeId).toBe(volumeId);
    expect((await csi.volume('v', { capacityRange: null })).volumeId).toBe(volumeId);
    expect((await csi.volume('v', { parameters: { thin: 'true', pool: 'p' } })).volumeId).toBe(volumeId);
  });
});

describe('K4: sizes', () => {
  it.each([
    ['1', '0', '4096'],
    ['4097', '0', '8192'],
    ['0', '8192', '8192'],
    ['0', '9000', '8192'],
    ['0', String(4n * gib), String(gib)],
    [String(gib), String(gib), String(gib)],
  ])('at least %s and at most %s is %s', async (least, most, size) => {
    expect((await csi.volume('v', range(least, most))).capacityBytes).toBe(size);
  });

  it.each([
    ['0', '0', 'INVALID_ARGUMENT'],
    ['-1', '0', 'INVALID_ARGUMENT'],
    ['0', '-4096', 'INVALID_ARGUMENT'],
    ['8192', '4096', 'INVALID_ARGUMENT'],
    ['0', '4095', 'OUT_OF_RANGE'],
    ['4097', '4100', 'OUT_OF_RANGE'],
    ['9223372036854775807', '0', 'OUT_OF_RANGE'],
    ['9223372036854775807', '9223372036854775807', 'OUT_OF_RANGE'],
  ])('at least %s and at most %s is %s', async (least, most, status) => {
    expect(await statusOf(csi.volume('v', range(least, most)))).toBe(status);
    expect(made()).toEqual([]);
  });

  it('that no pool has room for are RESOURCE_EXHAUSTED', async () => {
    const thick = { parameters: { thin: 'false' }, ...range(100n * gib) };
    expect(await statusOf(csi.volume('v', thick))).toBe('RESOURCE_EXHAUSTED');
  });

  it('to expand to: the larger is taken, the smaller leaves it as it is', async () => {
    const { volumeId } = await csi.volume('v');
    const expand = (request: object) => csi.call('ControllerExpandVolume', { volumeId, ...request });
    expect((await expand(range(mib))).capacityBytes).toBe(String(gib));
    expect((await expand(range(gib + 1n))).capacityBytes).toBe(String(gib + 4096n));
    expect(await statusOf(expand(range(mib, 2n * mib)))).toBe('OUT_OF_RANGE');
    expect(await statusOf(expand(range(gib + 4097n, gib + 4100n)))).toBe('OUT_OF_RANGE');
    expect(await statusOf(expand(range('0')))).toBe('INVALID_ARGUMENT');
    const unknown = { volumeId: csi.world.engine.volumes[0]?.uuid.replace(/.$/, 'x') };
    expect(await statusOf(csi.call('ControllerExpandVolume', { ...unknown, ...range(gib) }))).toBe(
      'NOT_FOUND',
    );
  });
});

describe('K5, K7: names', () => {
  const hostile = [
    '../../etc/passwd',
    '..',
    '-rf',
    '$(reboot)',
    '`reboot`',
    "'; drop table volumes; --",
    'a/b',
    'a?force=true#',
    'white space\nand a line',
    '\u202egnp.exe',
    'ä'.repeat(64),
    '%2e%2e%2f',
    'csi.c.x',
    'x'.repeat(60),
    'x'.repeat(128),
  ];

  it('of any text are a volume each, under a name that is safe', async () => {
    const ids = [];
    for (const name of hostile) ids.push((await csi.volume(name)).volumeId);
    expect(new Set(ids).size).toBe(hostile.length);
    for (const { name } of await csi.storage.volumes()) expect(name).toMatch(/^[\w][\w.-]{0,62}$/);
    for (const [index, name] of hostile.entries()) expect((await csi.volume(name)).volumeId).toBe(ids[index]);
    for (const volumeId of ids) await csi.call('DeleteVolume', { volumeId });
    expect((await csi.call('ListVolumes')).entries).toEqual([]);
    const logged = JSON.stringify(csi.lines);
    expect(logged).not.toContain('\u202e');
    expect(csi.lines.length).toBeGreaterThan(hostile.length * 3);
  });

  it.each(['a\0b', 'a\u0007', '\u009f', '\u001b[31m', '\u007f'])(
    'with control characters are refused: %j',
    async (name) => {
      expect(await statusOf(csi.volume(name))).toBe('INVALID_ARGUMENT');
      const { volumeId } = await csi.volume('v');
      expect(await statusOf(csi.snapshot(volumeId, name))).toBe('INVALID_ARGUMENT');
      const group = { name, sourceVolumeIds: [volumeId] };
      expect(await statusOf(csi.group('CreateVolumeGroupSnapshot', group))).toBe('INVALID_ARGUMENT');
    },
  );

  it.each([129, 1 << 20])('of %d bytes are refused', async (bytes) => {
    expect(await statusOf(csi.volume('x'.repeat(bytes)))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(csi.volume(`${'ä'.repeat(bytes >> 1)}x`))).toBe('INVALID_ARGUMENT');
  });

  it('that are what another is made to are not that one', () => {
    for (const name of ['white space', 'x'.repeat(100)]) {
      const made = storageName(name);
      for (const part of [made, made.slice('csi.'.length), `.${made.slice('csi.'.length)}`]) {
        expect(storageName(part)).not.toBe(made);
      }
    }
  });

  it('that differ are never one', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(...hostile),
      fc.stringMatching(/^[\w.-]*$/),
    );
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(storageName(a)).toMatch(/^csi[.-][\w.-]{1,59}$/);
        expect(storageName(a) === storageName(b)).toBe(a === b);
        expect(storageName(storageName(a))).not.toBe(storageName(a));
      }),
    );
  });
});

describe('K8: ids that are of nothing', () => {
  it.each([
    '../../etc',
    'volumes/csi-v',
    '',
    'x'.repeat(128),
    '%2e%2e',
    '11111111-2222-4333-8444-999999999999',
  ])('%j: deleting is done already, the rest is NOT_FOUND', async (volumeId) => {
    const expected = volumeId === '' ? 'INVALID_ARGUMENT' : 'NOT_FOUND';
    const given = (method: string, request: object) => statusOf(csi.call(method, { volumeId, ...request }));
    expect(await given('DeleteVolume', {})).toBe(volumeId === '' ? 'INVALID_ARGUMENT' : 'OK');
    expect(await given('ControllerGetVolume', {})).toBe(expected);
    expect(await given('ControllerExpandVolume', range(gib))).toBe(expected);
    expect(await given('ControllerModifyVolume', { mutableParameters: { iops: '5' } })).toBe(expected);
    expect(await given('ValidateVolumeCapabilities', { volumeCapabilities: [mountWriter] })).toBe(expected);
    expect(await statusOf(csi.call('ControllerPublishVolume', csi.publishRequest(volumeId)))).toBe(expected);
    expect(await statusOf(csi.snapshot(volumeId, 's'))).toBe(expected);
  });

  it('of a volume that is not of a pool is of nothing too', async () => {
    const volumeId = '11111111-2222-3333-4444-666666666666'; // `demo` of the command line
    expect(await statusOf(csi.call('ControllerGetVolume', { volumeId }))).toBe('NOT_FOUND');
    expect(await statusOf(csi.call('DeleteVolume', { volumeId }))).toBe('OK');
  });

  it('finds a volume that was renamed', async () => {
    const { volumeId } = await csi.volume('v');
    await csi.storage.changeVolume('csi-v', { name: 'other' });
    await csi.storage.createVolume({ name: 'csi-v', sizeBytes: gib.toString() });
    await csi.call('DeleteVolume', { volumeId });
    expect(
      (await csi.storage.volumes()).filter(({ kind }) => kind === 'pool').map(({ name }) => name),
    ).toEqual(['csi-v']);
  });
});

describe('K16: deleting', () => {
  it('a volume that has snapshots is FAILED_PRECONDITION, and changes nothing', async () => {
    const { volumeId } = await csi.volume('v');
    const { snapshotId } = await csi.snapshot(volumeId, 's');
    expect(await statusOf(csi.call('DeleteVolume', { volumeId }))).toBe('FAILED_PRECONDITION');
    expect((await csi.call('ControllerGetVolume', { volumeId })).status.volumeCondition.abnormal).toBe(false);
    expect(await statusOf(csi.call('GetSnapshot', { snapshotId }))).toBe('OK');
    await csi.call('DeleteSnapshot', { snapshotId });
    expect(await statusOf(csi.call('DeleteVolume', { volumeId }))).toBe('OK');
  });

  it('at once from everywhere deletes once', async () => {
    const { volumeId } = await csi.volume('v');
    const all = Array.from({ length: 20 }, () => csi.call('DeleteVolume', { volumeId }));
    expect(await Promise.all(all)).toEqual(all.map(() => ({})));
    expect(csi.world.changes().filter((call) => call.startsWith('deletePoolVolume'))).toHaveLength(1);
  });
});

describe('parameters', () => {
  it('are those of the daemon', async () => {
    const parameters = {
      pool: 'p',
      thin: 'false',
      encrypted: 'true',
      'csi.storage.k8s.io/pvc/name': 'claim',
    };
    await csi.volume('v', { parameters });
    expect(await csi.storage.volume('csi-v')).toMatchObject({ pool: 'p', thick: true, encrypted: true });
  });

  it.each<Record<string, string>>([
    { Pool: 'p' },
    { thick: 'true' },
    { thin: 'yes' },
    { encrypted: '' },
    { pool: '../p' },
    { pool: '' },
    { 'csi.storage.k8s.io/other': 'x' },
    { constructor: 'x' },
  ])('%j is INVALID_ARGUMENT', async (parameters) => {
    expect(await statusOf(csi.volume('v', { parameters }))).toBe('INVALID_ARGUMENT');
    expect(made()).toEqual([]);
  });

  it('of a pool that is not there is INVALID_ARGUMENT', async () => {
    expect(await statusOf(csi.volume('v', { parameters: { pool: 'missing' } }))).toBe('INVALID_ARGUMENT');
  });
});

describe('capabilities', () => {
  const mode = (name: string, access: object = { block: {} }) => ({ ...access, accessMode: { mode: name } });
  const xfs = { mount: { fsType: 'xfs' } };

  it.each([
    [[blockWriter, mountWriter]],
    [[mode('SINGLE_NODE_MULTI_WRITER', xfs), mode('SINGLE_NODE_SINGLE_WRITER', xfs)]],
    [[mode('MULTI_NODE_READER_ONLY', xfs), mode('SINGLE_NODE_READER_ONLY')]],
    [[mode('MULTI_NODE_MULTI_WRITER'), mode('SINGLE_NODE_MULTI_WRITER', xfs)]],
    [[mode('SINGLE_NODE_SINGLE_WRITER')]],
  ])('%j can be had', async (volumeCapabilities) => {
    const { volumeId } = await csi.volume('v', { volumeCapabilities });
    const { confirmed } = await csi.call('ValidateVolumeCapabilities', { volumeId, volumeCapabilities });
    expect(confirmed.volumeCapabilities).toHaveLength(volumeCapabilities.length);
  });

  it.each([
    [[mode('MULTI_NODE_MULTI_WRITER', xfs)]],
    [[mode('MULTI_NODE_SINGLE_WRITER', { mount: {} })]],
    [[mode('MULTI_NODE_SINGLE_WRITER')]],
    [[mountWriter, mode('SINGLE_NODE_WRITER', { mount: { fsType: 'ntfs' } })]],
  ])('%j cannot be had, and is not confirmed', async (volumeCapabilities) => {
    expect(await statusOf(csi.volume('v', { volumeCapabilities }))).toBe('INVALID_ARGUMENT');
    const { volumeId } = await csi.volume('v');
    const answer = await csi.call('ValidateVolumeCapabilities', { volumeId, volumeCapabilities });
    expect(answer).toMatchObject({ confirmed: null, message: expect.stringMatching(/./) });
    expect((await csi.call('GetCapacity', { volumeCapabilities })).availableCapacity).toBe('0');
    const publish = csi.publishRequest(volumeId, { volumeCapability: volumeCapabilities.at(-1) });
    expect(await statusOf(csi.call('ControllerPublishVolume', publish))).toBe('INVALID_ARGUMENT');
  });

  it.each([
    [{}],
    [{ block: {} }],
    [{ accessMode: { mode: 1 } }],
    [mode('UNKNOWN')],
    [{ block: {}, accessMode: { mode: 99 } }],
  ])('K1: %j is malformed', async (capability) => {
    expect(await statusOf(csi.volume('v', { volumeCapabilities: [mountWriter, capability] }))).toBe(
      'INVALID_ARGUMENT',
    );
  });

  it('are not confirmed with parameters or a context that the volume has not', async () => {
    const { volumeId } = await csi.volume('v');
    const validate = (request: object) =>
      csi.call('ValidateVolumeCapabilities', { volumeId, volumeCapabilities: [mountWriter], ...request });
    expect((await validate({ parameters: { thin: 'true' } })).confirmed).toMatchObject({
      parameters: { thin: 'true' },
    });
    expect((await validate({ parameters: { thin: 'false' } })).confirmed).toBeNull();
    expect((await validate({ volumeContext: { a: 'b' } })).confirmed).toBeNull();
    expect((await validate({ mutableParameters: { iops: '5' } })).confirmed).toBeNull();
  });
});
