// CSI before a real cluster, a controller and three agents on this machine: which host gets through to a
// volume, by every node that has a replica, and that nothing of it takes effect once unpublishing was
// answered.
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ClusterClient } from '../../src/client/cluster-client.js';
import { newCsiController } from '../../src/csi/driver.js';
import { RestStorage } from '../../src/csi/storage.js';
import { freePorts } from '../../src/drills/processes/ports.js';
import { type Controller, Engine, type Namespace } from '../../src/native/index.js';
import type { RpcServer } from '../../src/rpc/server.js';
import { projectTop, type Target, Workspace } from '../support/ballast.js';
import { type CsiAnswer, CsiClient, mountWriter } from '../support/csi-client.js';

interface Host {
  readonly hostNqn: string;
  readonly hostId: string;
}
const [one, two] = ['1', '2'].map((digit) => ({
  hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${digit}1111111-2222-4333-8444-555555555555`,
  hostId: `${digit}1111111-2222-4333-8444-555555555555`,
})) as [Host, Host];
const names = ['n1', 'n2', 'n3'];

let workspace: Workspace;
let engine: Engine;
let storage: RestStorage;
let server: RpcServer;
let client: CsiClient;
let agents: Map<string, Target>;

beforeEach(async () => {
  workspace = await Workspace.create();
  engine = await Engine.start({ onLog: () => undefined });
  const controller = await start('controller', [
    ...['--data', workspace.path('controller'), '--api-listen', 'off', '--listen', '127.0.0.1:0'],
  ]);
  await controller.ready;
  const store = /^store for agents (\S+)/m.exec(controller.stdout)?.[1] ?? '';
  agents = new Map();
  const ports = await freePorts(names.length);
  for (const [index, name] of names.entries()) {
    agents.set(
      name,
      await start('agent', [
        ...['--data', workspace.path(name), '--name', name, '--api-listen', 'off', '--controller', store],
        ...['--listen', `tcp://127.0.0.1:${ports[index]}`],
        ...['--ensure-pool', `p=${workspace.path(`${name}.disk`)}:1GiB`],
      ]),
    );
  }
  await Promise.all([...agents.values()].map((agent) => agent.ready));
  storage = new RestStorage({ socketPath: workspace.path('controller/api.sock') });
  server = newCsiController({ storage, log: pino({ level: 'silent' }), version: '1' });
  await server.listen(workspace.path('csi.sock'));
  client = new CsiClient(workspace.path('csi.sock'));
  await expect.poll(async () => (await storage.node()).listeners.length, { timeout: 20_000 }).toBe(3);
});
afterEach(async () => {
  client.close();
  await server.close();
  await engine.close();
  await workspace.remove();
});

function start(command: string, argv: readonly string[]): Promise<Target> {
  return workspace.start(`${projectTop}/bin/ballast`, [command, ...argv]);
}

const call = (method: string, request: object) => client.call('Controller', method, request);
const publishOnce = (volumeId: string, { hostNqn }: Host) =>
  call('ControllerPublishVolume', { volumeId, nodeId: hostNqn, volumeCapability: mountWriter });
const unpublish = (volumeId: string, { hostNqn }: Host) =>
  call('ControllerUnpublishVolume', { volumeId, nodeId: hostNqn });

/** As Kubernetes does: again until it is done. */
async function publish(volumeId: string, host: Host): Promise<CsiAnswer> {
  let answer: CsiAnswer;
  await expect
    .poll(
      async () => {
        answer = await publishOnce(volumeId, host);
        return typeof answer === 'string' ? client.lastRefusal : 'published';
      },
      { timeout: 20_000 },
    )
    .toBe('published');
  return answer.publishContext;
}

/** As the node would: by what publishing says, with a path for each address. */
function attach({ nqn, addresses }: CsiAnswer, host: Host): Promise<Controller> {
  const places = addresses.split(',').map((text: string) => {
    const [name = '', port = ''] = text.split(':');
    return { host: name, port: Number(port) };
  });
  const [first, ...otherAddresses] = places;
  return engine.connect({ ...first, otherAddresses, nqn, ctrlLossTimeoutMs: 0, ...host });
}

function namespaceOf(controller: Controller): Namespace {
  const [namespace] = controller.namespaces;
  if (namespace === undefined) throw new Error('the volume is not there');
  return namespace;
}

async function create(): Promise<string> {
  const { volume } = await call('CreateVolume', {
    name: 'v',
    volumeCapabilities: [mountWriter],
    capacityRange: { requiredBytes: '16777216' },
  });
  return volume.volumeId;
}

it('K14, K15: a volume goes from host to host, over the death of its head, and is deleted', {
  timeout: 70_000,
}, async () => {
  const volumeId = await create();
  const context = await publish(volumeId, one);
  expect(context.addresses.split(',')).toHaveLength(3);
  const first = await attach(context, one);
  await namespaceOf(first).write(0n, Buffer.alloc(4096, 7));
  for (const address of context.addresses.split(',')) {
    const alone = { ...context, addresses: address };
    await expect(attach(alone, two)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
  }
  expect(await publishOnce(volumeId, two)).toBe('FAILED_PRECONDITION');

  const [{ head = '' } = {}] = await new ClusterClient(storage.endpoint).volumes();
  await agents.get(head)?.kill();
  await namespaceOf(first).write(1n, Buffer.alloc(4096, 8)); // another node goes on with it
  await expect.poll(() => unpublish(volumeId, one), { timeout: 30_000, interval: 100 }).toEqual({});
  await expect(namespaceOf(first).write(0n, Buffer.alloc(4096, 9))).rejects.toThrow();

  const second = await attach(await publish(volumeId, two), two);
  const seen = await namespaceOf(second).read(0n, 2);
  expect([seen[0], seen[4096]]).toEqual([7, 8]);
  // The head's was the first; nobody is there.
  for (const address of context.addresses.split(',').slice(1)) {
    const alone = { ...context, addresses: address };
    await expect(attach(alone, one)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
  }
  await second.close();
  expect(await unpublish(volumeId, two)).toEqual({});
  expect(await call('DeleteVolume', { volumeId })).toEqual({});
  expect(await call('ControllerGetVolume', { volumeId })).toBe('NOT_FOUND');
});

it('a volume is restored from a snapshot, and cloned as it is', { timeout: 90_000 }, async () => {
  const volumeId = await create();
  const host = await attach(await publish(volumeId, one), one);
  await namespaceOf(host).write(0n, Buffer.alloc(4096, 7));
  const { snapshot } = await call('CreateSnapshot', { name: 's', sourceVolumeId: volumeId });
  expect(snapshot).toMatchObject({ readyToUse: true, sizeBytes: '16777216' });
  await namespaceOf(host).write(0n, Buffer.alloc(4096, 9));
  const { snapshotId } = snapshot;
  const sources = { r: { snapshot: { snapshotId } }, c: { volume: { volumeId } } };
  const found: Record<string, number | undefined> = {};
  for (const [name, volumeContentSource] of Object.entries(sources)) {
    const { volume } = await call('CreateVolume', {
      ...{ name, volumeCapabilities: [mountWriter], volumeContentSource },
      capacityRange: { requiredBytes: '33554432' },
    });
    expect(volume.contentSource).toMatchObject(volumeContentSource);
    const clone = await attach(await publish(volume.volumeId, one), one);
    found[name] = (await namespaceOf(clone).read(0n, 1))[0];
    await namespaceOf(clone).write(8191n, Buffer.alloc(4096, 1));
    await clone.close();
    await expect.poll(() => unpublish(volume.volumeId, one), { timeout: 30_000 }).toEqual({});
    expect(await call('DeleteVolume', { volumeId: volume.volumeId })).toEqual({});
  }
  expect(found).toEqual({ r: 7, c: 9 });
  expect((await call('ListSnapshots', {})).entries).toHaveLength(1);
  expect(await call('DeleteSnapshot', { snapshotId })).toEqual({});
  await host.close();
  await expect.poll(() => unpublish(volumeId, one), { timeout: 30_000 }).toEqual({});
  expect(await call('DeleteVolume', { volumeId })).toEqual({});
});
