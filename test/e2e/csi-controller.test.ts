// The controller of CSI before a daemon that really serves: which node gets through to a volume, and that
// nothing of a node takes effect once unpublishing has been answered. By NVMe/TCP, over SIGKILL.
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newCsiController } from '../../src/csi/driver.js';
import { RestStorage } from '../../src/csi/storage.js';
import { type Controller, Engine, type Namespace } from '../../src/native/index.js';
import type { RpcServer } from '../../src/rpc/server.js';
import { type Target, Workspace } from '../support/ballast.js';
import { type CsiAnswer, CsiClient, mountWriter } from '../support/csi-client.js';

const [one, two] = ['1', '2'].map((digit) => ({
  hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${digit}1111111-2222-4333-8444-555555555555`,
  hostId: `${digit}1111111-2222-4333-8444-555555555555`,
})) as [Host, Host];
interface Host {
  readonly hostNqn: string;
  readonly hostId: string;
}
const blockBytes = 4096;

let workspace: Workspace;
let engine: Engine;
let target: Target;
let server: RpcServer;
let client: CsiClient;
beforeEach(async () => {
  workspace = await Workspace.create();
  engine = await Engine.start({ onLog: () => undefined });
  await startDaemon();
  const storage = new RestStorage({ socketPath: workspace.path('state/api.sock') });
  server = newCsiController({ storage, log: pino({ level: 'silent' }), version: '1' });
  await server.listen(workspace.path('csi.sock'));
  client = new CsiClient(workspace.path('csi.sock'));
});
afterEach(async () => {
  client.close();
  await server.close();
  await engine.close();
  await workspace.remove();
});

async function startDaemon(): Promise<void> {
  target = await workspace.serve('--ensure-pool', `p=${workspace.path('disk')}:1GiB`);
  await target.api;
}

const call = (method: string, request: object) => client.call('Controller', method, request);

async function create(): Promise<string> {
  const { volume } = await call('CreateVolume', {
    name: 'v',
    volumeCapabilities: [mountWriter],
    capacityRange: { requiredBytes: '16777216' },
  });
  return volume.volumeId;
}

const publish = (volumeId: string, { hostNqn }: Host) =>
  call('ControllerPublishVolume', { volumeId, nodeId: hostNqn, volumeCapability: mountWriter });
const unpublish = (volumeId: string, nodeId = '') => call('ControllerUnpublishVolume', { volumeId, nodeId });

/** As the node would: by what publishing says. */
function attach(publishContext: CsiAnswer, host: Host): Promise<Controller> {
  const [address = ''] = publishContext.addresses.split(',');
  const [name = '', port = ''] = address.split(':');
  const { nqn } = publishContext;
  return engine.connect({ host: name, port: Number(port), nqn, ctrlLossTimeoutMs: 0, ...host });
}

function namespaceOf(controller: Controller): Namespace {
  const [namespace] = controller.namespaces;
  if (namespace === undefined) throw new Error('the volume is not there');
  return namespace;
}

describe('a volume of CSI', () => {
  it('K14: lets the node through that it is published at, and no other', async () => {
    const volumeId = await create();
    const context = { addresses: `127.0.0.1:${target.port}`, nqn: '' };
    context.nqn = `nqn.2026-11.dev.ballast:volume:${volumeId}`;
    await expect(attach(context, one)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
    const { publishContext } = await publish(volumeId, one);
    expect(publishContext).toMatchObject(context);
    const controller = await attach(publishContext, one);
    await expect(attach(publishContext, two)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
    expect(await publish(volumeId, two)).toBe('FAILED_PRECONDITION');
    expect(await call('DeleteVolume', { volumeId })).toBe('FAILED_PRECONDITION'); // K16
    await namespaceOf(controller).write(0n, Buffer.alloc(blockBytes, 7));
  });

  it('K15: takes nothing of a node once unpublishing was answered, however busy that was', async () => {
    const volumeId = await create();
    const { publishContext } = await publish(volumeId, one);
    const old = namespaceOf(await attach(publishContext, one));
    let rounds = 0;
    const writer = async (seed: number) => {
      for (let round = seed; ; round += 2) {
        for (let lba = 0n; lba < 32n; lba += 1n) await old.write(lba, Buffer.alloc(blockBytes, round));
        rounds += 1;
      }
    };
    const writers = [1, 2].map((seed) => writer(seed).catch((error: unknown) => error));
    while (rounds < 4) await new Promise((resolve) => setImmediate(resolve));
    expect(await unpublish(volumeId)).toEqual({});
    const next = namespaceOf(await attach((await publish(volumeId, two)).publishContext, two));
    const seen = await next.read(0n, 32);
    for (const end of await Promise.all(writers)) expect(end).toMatchObject({ code: 'CONNECTION_LOST' });
    for (let again = 0; again < 20; again += 1) expect((await next.read(0n, 32)).equals(seen)).toBe(true);
    await expect(attach(publishContext, one)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
  });

  it('K15: keeps to who has it when the daemon is killed and started again', async () => {
    const volumeId = await create();
    await publish(volumeId, one);
    await unpublish(volumeId, one.hostNqn);
    await publish(volumeId, two);
    await target.kill();
    await startDaemon();
    const { publishContext } = await publish(volumeId, two);
    await expect(attach(publishContext, one)).rejects.toMatchObject({ code: 'CONNECT_REFUSED' });
    await (await attach(publishContext, two)).close();
    expect(await publish(volumeId, one)).toBe('FAILED_PRECONDITION');
    await unpublish(volumeId);
    expect(await call('DeleteVolume', { volumeId })).toEqual({});
  });
});
