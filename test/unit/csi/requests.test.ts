// What holds for every request: fields that are missing or too large, secrets, deadlines; and where volumes
// are published, how much room there is, topology.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RestStorage } from '../../../src/csi/storage.js';
import { gib } from '../../support/pool-harness.js';
import { CsiHarness, hostNqn, mountWriter, statusOf } from './harness.js';

let csi: CsiHarness;
let volumeId: string;
let snapshotId: string;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
  ({ volumeId } = await csi.volume('v'));
  ({ snapshotId } = await csi.snapshot(volumeId, 's'));
});
afterEach(() => csi.close());

type Fields = Record<string, unknown>;
const capacityRange = { requiredBytes: String(gib) };

/** Of each method: a request with every field that has to be there. */
const valid = (): Readonly<Record<string, Fields>> => ({
  GetPluginInfo: {},
  GetPluginCapabilities: {},
  Probe: {},
  CreateVolume: { name: 'w', volumeCapabilities: [mountWriter] },
  DeleteVolume: { volumeId },
  ControllerPublishVolume: { volumeId, nodeId: hostNqn, volumeCapability: mountWriter },
  ControllerUnpublishVolume: { volumeId },
  ValidateVolumeCapabilities: { volumeId, volumeCapabilities: [mountWriter] },
  ListVolumes: {},
  GetCapacity: {},
  ControllerGetCapabilities: {},
  CreateSnapshot: { sourceVolumeId: volumeId, name: 't' },
  DeleteSnapshot: { snapshotId },
  ListSnapshots: {},
  GetSnapshot: { snapshotId },
  ControllerExpandVolume: { volumeId, capacityRange },
  ControllerGetVolume: { volumeId },
  ControllerModifyVolume: { volumeId, mutableParameters: { iops: '5' } },
  GroupControllerGetCapabilities: {},
  CreateVolumeGroupSnapshot: { name: 'g', sourceVolumeIds: [volumeId] },
  DeleteVolumeGroupSnapshot: { groupSnapshotId: 'x' },
  GetVolumeGroupSnapshot: { groupSnapshotId: 'x' },
  GetMetadataAllocated: { snapshotId },
  GetMetadataDelta: { baseSnapshotId: snapshotId, targetSnapshotId: snapshotId },
});

interface Descriptor {
  readonly field: readonly { readonly name: string; readonly type: string; readonly label: string }[];
  readonly nestedType: readonly {
    readonly name: string;
    readonly options: { readonly mapEntry: boolean } | null;
  }[];
}

const plain = (name: string) => name.replaceAll('_', '').toLowerCase();
const loaded = loadSync(fileURLToPath(new URL('../../../proto/csi.proto', import.meta.url)));
const methods = ['Identity', 'Controller', 'GroupController', 'SnapshotMetadata'].flatMap((service) =>
  Object.entries(loaded[`csi.v1.${service}`] as object).map(
    ([method, { requestType }]) => [service, method, requestType.type as Descriptor] as const,
  ),
);

function send(service: string, method: string, request: Fields): Promise<unknown> {
  switch (service) {
    case 'Identity':
      return csi.identity(method, request);
    case 'Controller':
      return csi.call(method, request);
    case 'GroupController':
      return csi.group(method, request);
    default:
      return csi.metadata(method, request);
  }
}

describe('every method', () => {
  it('K1: refuses a request without any one field that has to be there', async () => {
    expect(Object.keys(valid()).sort()).toEqual(methods.map(([, method]) => method).sort());
    let swept = 0;
    for (const [service, method] of methods) {
      const request = valid()[method] ?? {};
      for (const field of Object.keys(request)) {
        const { [field]: _missing, ...rest } = request;
        expect(await statusOf(send(service, method, rest)), `${method} without ${field}`).toBe(
          'INVALID_ARGUMENT',
        );
        swept += 1;
      }
    }
    expect(swept).toBe(25);
  });

  it('K5, K6: refuses a string or a map that is larger than the interface allows', async () => {
    let swept = 0;
    for (const [service, method, { field, nestedType }] of methods) {
      for (const { name, type } of field) {
        const key = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
        const isMap = nestedType.some((one) => one.options?.mapEntry && plain(one.name) === plain(name));
        const tooLarge = isMap
          ? { a: 'x'.repeat(2047), b: 'x'.repeat(2048) }
          : type === 'TYPE_STRING'
            ? 'x'.repeat(key === 'nodeId' ? 257 : 129)
            : undefined;
        if (tooLarge === undefined) continue;
        const isList = Array.isArray(valid()[method]?.[key]) || key === 'snapshotIds';
        const request = { ...valid()[method], [key]: isList ? [tooLarge] : tooLarge };
        expect(await statusOf(send(service, method, request)), `${method} with ${key}`).toBe(
          'INVALID_ARGUMENT',
        );
        swept += 1;
      }
    }
    expect(swept).toBe(53);
  });

  it('K6: takes a map of exactly 4 KiB and a node id of exactly 256 bytes', async () => {
    const secrets = { a: 'x'.repeat(2047), b: 'x'.repeat(2047) };
    expect(await statusOf(csi.call('DeleteSnapshot', { snapshotId, secrets }))).toBe('OK');
    const nodeId = 'x'.repeat(256);
    expect(
      await statusOf(csi.call('ControllerPublishVolume', csi.publishRequest(volumeId, { nodeId }))),
    ).toBe('NOT_FOUND');
  });

  it('K6: refuses what is too large within', async () => {
    const capability = (mount: object) => ({ mount, accessMode: { mode: 'SINGLE_NODE_WRITER' } });
    for (const request of [
      { volumeCapabilities: [capability({ fsType: 'x'.repeat(129) })] },
      { volumeCapabilities: [capability({ mountFlags: ['x'.repeat(4000), 'y'.repeat(97)] })] },
      { volumeContentSource: { snapshot: { snapshotId: 'x'.repeat(129) } } },
      { accessibilityRequirements: { requisite: [{ segments: { a: 'x'.repeat(4096) } }] } },
    ]) {
      expect(await statusOf(csi.volume('w', request))).toBe('INVALID_ARGUMENT');
    }
    const flags = { volumeCapabilities: [capability({ mountFlags: ['x'.repeat(4000), 'y'.repeat(96)] })] };
    expect(await statusOf(csi.volume('w', flags))).toBe('OK');
  });

  it('K18, K19: shows no secret, context, parameter or mount flag, in no log and no refusal', async () => {
    const canary = 'canary-7f21';
    const secrets = { password: canary, [canary]: 'x' };
    const flagged = { mount: { mountFlags: [canary] }, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
    const refusals: string[] = [];
    const keep = (error: Error) => void refusals.push(error.message);
    for (const [service, method] of methods) {
      const request = { ...valid()[method], secrets };
      await send(service, method, request).catch(keep);
      await send(service, method, { ...request, parameters: { [canary]: canary } }).catch(keep);
      await send(service, method, { ...request, mutableParameters: { [canary]: canary } }).catch(keep);
      await send(service, method, { ...request, volumeContext: { token: canary } }).catch(keep);
      await send(service, method, { ...request, volumeCapability: flagged }).catch(keep);
      await send(service, method, { ...request, volumeCapabilities: [flagged] }).catch(keep);
      await send(service, method, { ...request, volumeId: canary, nodeId: canary, snapshotId: canary }).catch(
        keep,
      );
    }
    expect(refusals.length).toBeGreaterThan(40);
    expect(refusals.join()).not.toContain(canary);
    // Ids are no secrets: they are logged, escaped and cut. Everything else is a map or a mount flag.
    const lines = csi.lines.map((line) => JSON.stringify(line));
    const shown = lines.filter((line) =>
      line.replace(/"(?:volume|node|snapshot)Id":"[^"]*"/g, '').includes(canary),
    );
    expect(shown).toEqual([]);
    expect(csi.lines.length).toBeGreaterThan(100);
    const daemon = [...csi.world.lines, ...csi.daemon.api.lines].join();
    expect(daemon).not.toContain(canary);
  });

  it('K20: whose deadline passes goes on, and the same call finds what it made', async () => {
    let release: (value: unknown) => void = () => undefined;
    const gate = new Promise((resolve) => {
      release = resolve;
    });
    let created = 0;
    class Slow extends RestStorage {
      override async createVolume(...args: Parameters<RestStorage['createVolume']>) {
        created += 1;
        await gate;
        return super.createVolume(...args);
      }
    }
    await csi.startDriver({ storage: new Slow(csi.storage.endpoint) });
    const request = { name: 'slow', volumeCapabilities: [mountWriter], capacityRange };
    const deadline = () => ({ deadline: Date.now() + 100 });
    expect(await statusOf(csi.call('CreateVolume', request, deadline()))).toBe('DEADLINE_EXCEEDED');
    // This one waits for the first, and is not begun any more when its turn comes.
    expect(await statusOf(csi.call('CreateVolume', request, deadline()))).toBe('DEADLINE_EXCEEDED');
    const third = csi.call('CreateVolume', request);
    release(undefined);
    expect((await third).volume.capacityBytes).toBe(String(gib));
    expect(created).toBe(1);
    expect(csi.lines.map(({ msg }) => msg).filter((msg) => `${msg}`.startsWith('CreateVolume'))).toEqual([
      'CreateVolume: OK', // of beforeEach
      'CreateVolume: OK, after the caller had gone',
      'CreateVolume: ABORTED, after the caller had gone',
      'CreateVolume: OK',
    ]);
  });

  it('is UNAVAILABLE while no daemon answers', async () => {
    await csi.daemon.stop();
    expect(await statusOf(csi.call('ListVolumes'))).toBe('UNAVAILABLE');
    expect(await statusOf(csi.volume('w'))).toBe('UNAVAILABLE');
  });

  it('of the node service is UNIMPLEMENTED', async () => {
    const client = csi.client('Node');
    const call = new Promise((_, reject) =>
      (client.NodeGetInfo as (...all: unknown[]) => void).call(client, {}, reject),
    );
    await expect(call).rejects.toMatchObject({ code: 12 });
  });
});

describe('publishing', () => {
  const publish = (request: object = {}) =>
    csi.call('ControllerPublishVolume', csi.publishRequest(volumeId, request));

  it('says where the volume is, and nothing secret', async () => {
    const { uuid, nqn } = await csi.storage.volume('csi-v');
    expect((await publish()).publishContext).toEqual({
      transport: 'tcp',
      addresses: '127.0.0.1:4420',
      nqn,
      nsid: '1',
      uuid,
    });
  });

  it('says the addresses that the driver was told', async () => {
    await csi.startDriver({ targetAddresses: ['192.0.2.1:4420', '[2001:db8::1]:4420'] });
    expect((await publish()).publishContext.addresses).toBe('192.0.2.1:4420,[2001:db8::1]:4420');
  });

  it('needs to be told where the daemon listens on every address', async () => {
    class Anywhere extends RestStorage {
      override async node() {
        return {
          listeners: [
            { host: '0.0.0.0', port: 4420 },
            { host: '::', port: 4420 },
          ],
        };
      }
    }
    await csi.startDriver({ storage: new Anywhere(csi.storage.endpoint) });
    expect(await statusOf(publish())).toBe('FAILED_PRECONDITION');
  });

  it('is refused read-only, which is not offered', async () => {
    expect(await statusOf(publish({ readonly: true }))).toBe('INVALID_ARGUMENT');
  });

  it('is refused of a volume that is not served, whose condition says so', async () => {
    await csi.volume('e', { parameters: { encrypted: 'true' } });
    const { uuid } = await csi.storage.volume('csi-e');
    await csi.storage.eraseKey('csi-e', false);
    const request = csi.publishRequest(uuid);
    expect(await statusOf(csi.call('ControllerPublishVolume', request))).toBe('FAILED_PRECONDITION');
    const { status } = await csi.call('ControllerGetVolume', { volumeId: uuid });
    expect(status.volumeCondition).toEqual({ abnormal: true, message: expect.stringContaining('erased') });
    const { entries } = await csi.call('ListVolumes');
    expect(
      entries.map(
        (one: { status: { volumeCondition: { abnormal: boolean } } }) => one.status.volumeCondition.abnormal,
      ),
    ).toEqual([false, true]);
  });

  it('ends for nodes and volumes that are not there', async () => {
    const unpublish = (request: object) => statusOf(csi.call('ControllerUnpublishVolume', request));
    expect(await unpublish({ volumeId, nodeId: 'gone' })).toBe('OK');
    expect(await unpublish({ volumeId: 'gone' })).toBe('OK');
  });
});

describe('capacity', () => {
  const capacity = async (request: object = {}) =>
    BigInt((await csi.call('GetCapacity', request)).availableCapacity);

  it('is that of the pool that a volume would go to', async () => {
    const before = await capacity();
    await csi.world.service.pools.create({
      name: 'q',
      devices: [{ path: csi.world.disk('q.disk', 20n * gib) }],
    });
    expect(await capacity({ parameters: { pool: 'p' } })).toBe(before);
    expect(await capacity()).toBe(before + 10n * gib);
    expect(await capacity({ parameters: { pool: 'missing' } })).toBe(0n);
    await csi.volume('large');
    expect((await csi.storage.volume('csi-large')).pool).toBe('q');
  });

  it('is what the policy of the pool lets promise', async () => {
    const free = await capacity();
    await csi.storage.setPoolPolicy('p', { overcommitPercent: 300 });
    expect(await capacity()).toBe(3n * free - gib);
    expect(await capacity({ parameters: { thin: 'false' } })).toBe(free);
    await csi.storage.setPoolPolicy('p', { overcommitPercent: 5 });
    expect(await capacity()).toBe(0n);
    await csi.storage.setPoolPolicy('p', { overcommitPercent: 0, reservePercent: 50 });
    expect(await capacity()).toBe(free / 2n);
  });

  it('is refused for parameters that are not known', async () => {
    expect(await statusOf(capacity({ parameters: { colour: 'red' } }))).toBe('INVALID_ARGUMENT');
  });
});

describe('topology', () => {
  const key = 'topology.csi.ballast.dev/zone';
  const zone = (name: string) => ({ segments: { [key]: name } });
  const within = (...requisite: object[]) => ({
    accessibilityRequirements: { requisite, preferred: requisite },
  });

  it('without segments is met by every requirement', async () => {
    const made = await csi.volume('w', within(zone('a'), zone('b')));
    expect(made.accessibleTopology).toEqual([]);
  });

  it('with segments is told, advertised and required', async () => {
    await csi.startDriver({ topology: { [key]: 'a' } });
    const { capabilities } = await csi.identity('GetPluginCapabilities');
    expect(JSON.stringify(capabilities)).toContain('VOLUME_ACCESSIBILITY_CONSTRAINTS');
    const made = await csi.volume('w', within(zone('b'), { segments: { ...zone('a').segments, host: 'x' } }));
    expect(made.accessibleTopology).toEqual([zone('a')]);
    expect(await statusOf(csi.volume('x', within(zone('b'), zone('c'))))).toBe('RESOURCE_EXHAUSTED');
    expect((await csi.call('GetCapacity', { accessibleTopology: zone('b') })).availableCapacity).toBe('0');
    expect((await csi.call('GetCapacity', { accessibleTopology: zone('a') })).availableCapacity).not.toBe(
      '0',
    );
  });
});

describe('the source', () => {
  it('uses nothing that makes a path or a command of a request', () => {
    const text = readFileSync(new URL('../../../src/csi/create-volume.ts', import.meta.url), 'utf8');
    expect(text).not.toMatch(/node:(?:fs|path|child_process)/);
  });
});
