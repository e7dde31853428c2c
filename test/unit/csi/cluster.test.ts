// The driver before the controller of a cluster: what CSI asks for passes through the controller's REST API
// and its records, and comes back in the words that a daemon has.
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newCsiController } from '../../../src/csi/driver.js';
import { zoneOfMachine } from '../../../src/csi/node/zone.js';
import { RestStorage } from '../../../src/csi/storage.js';
import type { RpcServer } from '../../../src/rpc/server.js';
import { ClusterHarness, type HarnessNode, poolOf } from '../../support/cluster-harness.js';
import { CsiClient, mountWriter } from '../../support/csi-client.js';
import { NodeHarness } from './node-harness.js';

const [one, two] = ['1', '2'].map(
  (digit) => `nqn.2014-08.org.nvmexpress:uuid:${digit.repeat(8)}-2222-4333-8444-555555555555`,
) as [string, string];
const gib = 1n << 30n;

let cluster: ClusterHarness;
let server: RpcServer;
let client: CsiClient;
let storage: RestStorage;

async function start(...nodes: HarnessNode[]): Promise<void> {
  await cluster.start(...nodes);
  storage = new RestStorage({ socketPath: cluster.socket });
  await startDriver();
}

async function startDriver(zoneKey?: string): Promise<void> {
  const zones = zoneKey !== undefined && { zoneKey };
  server = newCsiController({ storage, log: pino({ level: 'silent' }), version: '1', ...zones });
  const socket = join(cluster.directory, 'csi.sock');
  await server.listen(socket);
  client = new CsiClient(socket);
}

beforeEach(() => {
  cluster = new ClusterHarness();
});
afterEach(async () => {
  client.close();
  await server.close();
  await cluster.close();
});

const call = (method: string, request: object = {}) => client.call('Controller', method, request);
const create = (request: object = {}) =>
  call('CreateVolume', {
    ...{ name: 'v', volumeCapabilities: [mountWriter], capacityRange: { requiredBytes: String(gib) } },
    ...request,
  });
const publish = (volumeId: string, nodeId: string) =>
  call('ControllerPublishVolume', { volumeId, nodeId, volumeCapability: mountWriter });
const unpublish = (volumeId: string, nodeId = '') => call('ControllerUnpublishVolume', { volumeId, nodeId });
const capacity = async (parameters: object = {}) =>
  (await call('GetCapacity', { parameters })).availableCapacity;

describe('a volume of a cluster', () => {
  it('is made once, published with the addresses of all its nodes, and deleted', async () => {
    await start({}, {}, {});
    const { volume } = await create();
    expect(volume).toMatchObject({ capacityBytes: String(gib), accessibleTopology: [] });
    const { volumeId } = volume;
    expect((await create()).volume).toEqual(volume);
    expect(cluster.volumes.list()).toMatchObject([
      { name: 'csi-v', uuid: volumeId, hosts: [], wishes: { replicas: 3, minInSync: 2 } },
    ]);
    const { publishContext } = await publish(volumeId, one);
    const nqn = `nqn.2026-11.dev.ballast:volume:${volumeId}`;
    expect(publishContext).toMatchObject({ transport: 'tcp', nqn, nsid: '1', uuid: volumeId });
    const addresses = publishContext.addresses.split(',');
    expect(addresses.sort()).toEqual(['10.0.0.1:4420', '10.0.0.2:4420', '10.0.0.3:4420']);
    expect(await publish(volumeId, one)).toEqual({ publishContext });
    expect(cluster.volumes.get(volumeId)).toMatchObject({ hosts: [one], exclusive: true });
    expect(await publish(volumeId, two)).toBe('FAILED_PRECONDITION');
    expect(client.lastRefusal).toContain(one);
    expect(await call('DeleteVolume', { volumeId })).toBe('FAILED_PRECONDITION');
    expect(await unpublish(volumeId)).toEqual({});
    await publish(volumeId, two);
    expect(await unpublish(volumeId, two)).toEqual({});
    expect(await call('DeleteVolume', { volumeId })).toEqual({});
    expect(await call('DeleteVolume', { volumeId })).toEqual({});
    expect(cluster.volumes.list()).toEqual([]);
  });

  it('has what its class says of replicas, and another class of the same name is refused', async () => {
    const labels = { disk: 'ssd' };
    await start({ labels, zone: 'a' }, { labels, zone: 'b' }, { zone: 'c' });
    const parameters = {
      ...{ replicas: '2', minInSync: '2', spread: 'zone', nodeLabels: 'disk=ssd' },
      ...{ apartGroup: 'db', pool: 'p', thin: 'false', encrypted: 'false' },
    };
    const { volume } = await create({ parameters });
    const [made] = cluster.volumes.list();
    expect(made?.wishes).toEqual({
      ...{ replicas: 2, minInSync: 2, spread: 'zone', nodeLabels: labels },
      ...{ apartGroup: 'db', pool: 'p', thick: true },
    });
    expect(made?.replicas.map(({ node }) => node).sort()).toEqual(['n1', 'n2']);
    expect((await create({ parameters })).volume).toEqual(volume);
    for (const other of [
      { ...parameters, replicas: '1', minInSync: '1' },
      { ...parameters, spread: 'prefer-zone' },
      { ...parameters, nodeLabels: 'disk=hdd' },
      { ...parameters, pool: 'q' },
    ]) {
      expect(await create({ parameters: other })).toBe('ALREADY_EXISTS');
    }
  });

  it('is not made where there is no place, or with words that nobody knows', async () => {
    await start({}, {});
    expect(await create()).toBe('RESOURCE_EXHAUSTED');
    expect(await create({ parameters: { replicas: 'many' } })).toBe('INVALID_ARGUMENT');
    expect(await create({ parameters: { nodeLabels: 'ssd' } })).toBe('INVALID_ARGUMENT');
    expect(await create({ parameters: { replica: '2' } })).toBe('INVALID_ARGUMENT');
    expect(client.lastRefusal).toContain('replicas, minInSync, spread, nodeLabels, apartGroup');
  });

  it('takes its limits, and others later', async () => {
    await start({});
    const parameters = { replicas: '1' };
    const { volume } = await create({ parameters, mutableParameters: { iops: '500' } });
    const { volumeId } = volume;
    const modify = (mutableParameters: object) =>
      call('ControllerModifyVolume', { volumeId, mutableParameters });
    expect(await modify({ iops: '2000', minIops: '900' })).toEqual({});
    expect(cluster.volumes.get(volumeId).qos).toEqual({ iops: 2000, minIops: 900 });
    expect(await modify({ minIops: '1100' })).toBe('RESOURCE_EXHAUSTED'); // its pool can do 1000
    expect(client.lastRefusal).toContain("pool 'p' of node 'n1' has 900 of 1000 IOPS");
    expect(await modify({ qosClass: 'gold' })).toBe('UNIMPLEMENTED');
    expect(cluster.volumes.get(volumeId).qos).toEqual({ iops: 2000, minIops: 900 });
  });

  it('grows when its replicas have, and the call that waited too long finds it done', async () => {
    await start({}, {});
    const { volume } = await create({ parameters: { replicas: '2' } });
    const { volumeId } = volume;
    const expand = (requiredBytes: bigint) =>
      call('ControllerExpandVolume', { volumeId, capacityRange: { requiredBytes: String(requiredBytes) } });
    const grown = { capacityBytes: String(2n * gib), nodeExpansionRequired: true };
    expect(await expand(2n * gib)).toEqual(grown);
    expect(cluster.volumes.get(volumeId).sizeBytes).toBe(2n * gib);
    expect(await expand(gib)).toEqual(grown); // never smaller
    expect(await expand(900n * gib)).toBe('RESOURCE_EXHAUSTED');
    expect(client.lastRefusal).toContain('of at most 200 GiB promised');
    const { name } = cluster.volumes.get(volumeId);
    await cluster.outOfSync(name, 2);
    cluster.patienceMs = 50;
    expect(await expand(3n * gib)).toBe('UNAVAILABLE');
    expect(client.lastRefusal).toContain(`it still has ${2n * gib} bytes, and waits for a copy to 'n2'`);
    const condition = async () => (await call('ControllerGetVolume', { volumeId })).volume.capacityBytes;
    expect(await condition()).toBe(String(2n * gib));
    await cluster.outOfSync(name, 2, false);
    await expect.poll(() => expand(3n * gib)).toMatchObject({ capacityBytes: String(3n * gib) });
  });

  it('has snapshots, each once, which have to go before it', async () => {
    await start({}, {});
    const { volumeId } = (await create({ parameters: { replicas: '2' } })).volume;
    const take = (name: string, of = volumeId) => call('CreateSnapshot', { name, sourceVolumeId: of });
    const { snapshot } = await take('s');
    expect(snapshot).toMatchObject({ sourceVolumeId: volumeId, readyToUse: true, sizeBytes: String(gib) });
    expect(await take('s')).toEqual({ snapshot });
    const other = (await create({ name: 'w', parameters: { replicas: '2' } })).volume.volumeId;
    expect(await take('s', other)).toBe('ALREADY_EXISTS');
    await take('t', other);
    const listed = async (request: object = {}) => {
      const { entries } = await call('ListSnapshots', request);
      return (entries as (typeof entry)[]).map((one) => one.snapshot.sourceVolumeId);
    };
    const entry = { snapshot: { sourceVolumeId: '' } };
    expect((await listed()).sort()).toEqual([volumeId, other].sort());
    expect(await listed({ sourceVolumeId: other })).toEqual([other]);
    expect(await call('DeleteVolume', { volumeId })).toBe('FAILED_PRECONDITION');
    const { snapshotId } = snapshot;
    expect(await call('DeleteSnapshot', { snapshotId })).toEqual({});
    expect(await call('DeleteSnapshot', { snapshotId })).toEqual({});
    expect(await listed({ snapshotId })).toEqual([]);
    expect(await call('DeleteVolume', { volumeId })).toEqual({});
  });

  it('is made of a snapshot, and of a volume as it is, once', async () => {
    await start({}, {}, {});
    const { volumeId } = (await create()).volume;
    const { snapshotId } = (await call('CreateSnapshot', { name: 's', sourceVolumeId: volumeId })).snapshot;
    const ofSnapshot = { name: 'r', volumeContentSource: { snapshot: { snapshotId } } };
    const restored = (await create(ofSnapshot)).volume;
    expect(restored).toMatchObject({
      capacityBytes: String(gib),
      contentSource: { snapshot: { snapshotId } },
    });
    expect((await create(ofSnapshot)).volume).toEqual(restored);
    const ofVolume = { name: 'c', volumeContentSource: { volume: { volumeId } } };
    const cloned = (await create(ofVolume)).volume;
    expect((await create(ofVolume)).volume).toEqual(cloned);
    expect(cluster.volumes.get(cloned.volumeId)).toMatchObject({ cloneOf: volumeId });
    expect(await create({ name: 'c' })).toBe('ALREADY_EXISTS');
    // What it was made by is gone, and what was asked for is not.
    expect(cluster.snapshots.list(volumeId).map(({ name }) => name)).toEqual(['csi-s']);
    expect(await call('DeleteSnapshot', { snapshotId })).toEqual({});
    for (const one of [volumeId, restored.volumeId, cloned.volumeId]) {
      expect(await call('DeleteVolume', { volumeId: one })).toEqual({});
    }
  });

  it('has no snapshot that its head could not take', async () => {
    await start({});
    const { volumeId } = (await create({ parameters: { replicas: '1' } })).volume;
    cluster.snapshotTrouble = 'member x took none: no space';
    expect(await call('CreateSnapshot', { name: 's', sourceVolumeId: volumeId })).toBe('FAILED_PRECONDITION');
    expect(client.lastRefusal).toContain('member x took none: no space');
    expect(await call('ListSnapshots')).toMatchObject({ entries: [] });
    expect(await call('DeleteVolume', { volumeId })).toEqual({});
  });

  it('says what a cluster cannot do yet', async () => {
    await start({});
    await create({ parameters: { replicas: '1' } });
    const refusals = [create({ name: 'e', parameters: { replicas: '1', encrypted: 'true' } })];
    expect(await Promise.all(refusals)).toEqual(refusals.map(() => 'UNIMPLEMENTED'));
    expect(client.lastRefusal).toContain('a cluster cannot have');
    expect(await call('ListSnapshots')).toMatchObject({ entries: [] });
    expect(cluster.volumes.list()).toHaveLength(1);
  });
});

describe('publishing', () => {
  it('K15: does not end while the head is away, which may still take I/O of the host', async () => {
    await start({});
    const { volumeId } = (await create({ parameters: { replicas: '1' } })).volume;
    await publish(volumeId, one);
    await cluster.lose(1);
    cluster.patienceMs = 100;
    expect(await unpublish(volumeId, one)).toBe('FAILED_PRECONDITION');
    expect(client.lastRefusal).toContain("at 'n1'");
    // The host is on no list any more, and that is still not known to have come to an end.
    expect(await unpublish(volumeId)).toBe('FAILED_PRECONDITION');
  });

  it('K15: does not end before every node has said that it keeps to it', async () => {
    await start({}, {}, {});
    const { volumeId } = (await create()).volume;
    await publish(volumeId, one);
    cluster.deaf.add(2);
    let isOver = false;
    const ending = unpublish(volumeId, one).then((answer) => {
      isOver = true;
      return answer;
    });
    while ((cluster.volumes.get(volumeId).hosts ?? []).length > 0) await new Promise(setImmediate);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isOver).toBe(false);
    cluster.deaf.clear();
    cluster.say();
    expect(await ending).toEqual({});
  });

  it('is told of, and that a replica is missing', async () => {
    await start({}, {}, {});
    const { volumeId } = (await create()).volume;
    await publish(volumeId, one);
    const status = async () => (await call('ControllerGetVolume', { volumeId })).status;
    expect(await status()).toMatchObject({ publishedNodeIds: [one], volumeCondition: { abnormal: false } });
    await cluster.outOfSync('csi-v', 3);
    await expect
      .poll(status)
      .toMatchObject({ volumeCondition: { abnormal: true, message: expect.stringContaining('degraded') } });
    expect((await call('ListVolumes')).entries).toHaveLength(1);
    expect(await publish(volumeId, one)).toMatchObject({ publishContext: {} });
  });
});

describe('zones of a cluster', () => {
  const zoneKey = 'topology.kubernetes.io/zone';
  const inZones = (...zones: string[]) => zones.map((zone) => ({ segments: { [zoneKey]: zone } }));
  const wantedIn = (requisite: string[], preferred: string[] = []) => ({
    accessibilityRequirements: { requisite: inZones(...requisite), preferred: inZones(...preferred) },
  });

  beforeEach(async () => {
    await start({ zone: 'a' }, { zone: 'b' }, { zone: 'c' }, {});
    client.close();
    await server.close();
    await startDriver(zoneKey);
  });

  it('keep replicas where they are asked for, rather where is preferred, and are answered', async () => {
    const parameters = { replicas: '2' };
    const { volume } = await create({ parameters, ...wantedIn(['a', 'b', 'c'], ['c', 'b']) });
    expect(volume.accessibleTopology).toEqual(inZones('c', 'b', 'a'));
    const made = cluster.volumes.get(volume.volumeId);
    expect(made.replicas.map(({ node }) => node).sort()).toEqual(['n2', 'n3']);
    const [listed] = (await call('ListVolumes')).entries;
    expect(listed.volume.accessibleTopology).toEqual(inZones('c', 'b', 'a'));
    const { capabilities } = await client.call('Identity', 'GetPluginCapabilities');
    expect(capabilities).toContainEqual(
      expect.objectContaining({ service: { type: 'VOLUME_ACCESSIBILITY_CONSTRAINTS' } }),
    );
  });

  it('are all there are, or the volume is not made', async () => {
    const parameters = { replicas: '2', spread: 'zone' };
    expect(await create({ parameters, ...wantedIn(['a', 'nowhere']) })).toBe('RESOURCE_EXHAUSTED');
    expect(client.lastRefusal).toContain("n2: it is in zone 'b', and only a, nowhere are asked for");
    expect(cluster.volumes.list()).toEqual([]);
  });

  it('do not matter where nothing is said of them', async () => {
    const parameters = { replicas: '1' };
    for (const [name, asked] of [
      ['x', {}],
      ['y', { accessibilityRequirements: { requisite: [{ segments: { rack: '7' } }] } }],
    ] as const) {
      const { volume } = await create({ name, parameters, ...asked });
      expect(volume.accessibleTopology).toEqual([]);
      expect(cluster.volumes.get(volume.volumeId).wishes).not.toHaveProperty('zones');
    }
  });

  it('of a volume that is there have to be among those that are asked for again', async () => {
    const parameters = { replicas: '1' };
    const { volume } = await create({ parameters, ...wantedIn(['a']) });
    expect(await create({ parameters, ...wantedIn(['b', 'a']) })).toMatchObject({
      volume: { volumeId: volume.volumeId, accessibleTopology: inZones('a') },
    });
    expect(await create({ parameters, ...wantedIn(['b']) })).toBe('ALREADY_EXISTS');
    expect(client.lastRefusal).toContain('accessibility_requirements');
  });

  it('are that of a machine which is one of the nodes, by its NQN or its name', async () => {
    const nqn = (await storage.storageNodes()).find(({ name }) => name === 'n2')?.hostNqn ?? '';
    const zone = (hostNqn: string, hostName: string) =>
      zoneOfMachine(storage, { hostNqn, hostName }, zoneKey);
    expect(await zone(nqn, 'elsewhere')).toEqual({ [zoneKey]: 'b' });
    expect(await zone(one, 'n3')).toEqual({ [zoneKey]: 'c' });
    await expect(zone(one, 'elsewhere')).rejects.toThrow("no node of the storage cluster is 'elsewhere'");
    await expect(zone(one, 'n4')).rejects.toThrow('it has no zone; say where this is by --topology');
  });
});

describe('a node of Kubernetes', () => {
  let node: NodeHarness;
  beforeEach(async () => {
    await start({ zone: 'a' }, { zone: 'b' });
    node = new NodeHarness();
    node.apiSocket = cluster.socket;
    node.zoneKey = 'topology.kubernetes.io/zone';
    node.hostName = 'n2';
    await node.start();
  });
  afterEach(() => node.close());

  it('says the zone that the cluster has of it, and else says why it cannot', async () => {
    const segments = { 'topology.kubernetes.io/zone': 'b' };
    expect(await node.call('NodeGetInfo')).toMatchObject({ accessibleTopology: { segments } });
    node.topology = { 'topology.kubernetes.io/zone': 'z' }; // it is told, and asks nobody
    node.hostName = 'nobody';
    await node.restart();
    expect(await node.call('NodeGetInfo')).toMatchObject({ accessibleTopology: { segments: node.topology } });
    node.topology = undefined;
    await node.restart();
    await expect(node.call('NodeGetInfo')).rejects.toThrow("no node of the storage cluster is 'nobody'");
  });

  it('makes a volume of a pod with the replicas that it asks for', async () => {
    const volumeContext = { 'csi.storage.k8s.io/ephemeral': 'true', size: '1GiB', replicas: '2' };
    const volumeCapability = { mount: { fsType: 'ext4' }, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
    const volumeId = `csi-${'a'.repeat(64)}`;
    const targetPath = node.target();
    await node.call('NodePublishVolume', { volumeId, targetPath, volumeCapability, volumeContext });
    expect(cluster.volumes.list()).toMatchObject([{ wishes: { replicas: 2 }, sizeBytes: gib }]);
    await node.call('NodeUnpublishVolume', { volumeId, targetPath });
    await expect.poll(() => cluster.volumes.list()).toEqual([]);
  });
});

describe('capacity', () => {
  it('is that of a volume whose replicas all have room on nodes of their own', async () => {
    const labels = { disk: 'ssd' };
    await start(
      { pools: [poolOf('p', 100), poolOf('q', 1)], zone: 'a', labels },
      { pools: [poolOf('p', 50)], zone: 'a' },
      { pools: [poolOf('p', 20)], zone: 'b', labels },
    );
    const gibs = async (parameters: object) => BigInt(await capacity(parameters)) / gib;
    // Thin ones may be promised twice what there is; of thick ones a twentieth is kept.
    expect(await gibs({})).toBe(40n);
    expect(await gibs({ replicas: '1' })).toBe(200n);
    expect(await gibs({ replicas: '2', thin: 'false' })).toBe(47n);
    expect(await gibs({ replicas: '2', spread: 'zone' })).toBe(40n);
    expect(await gibs({ replicas: '2', nodeLabels: 'disk=ssd' })).toBe(40n);
    expect(await gibs({ replicas: '1', pool: 'q' })).toBe(2n);
    expect(await gibs({ replicas: '4' })).toBe(0n);
    await create({ capacityRange: { requiredBytes: String(30n * gib) } });
    expect(await gibs({})).toBe(10n);
    await cluster.lose(3);
    await expect.poll(() => gibs({})).toBe(0n);
  });
});

it('a driver is ready while the controller answers', async () => {
  await start({});
  expect(await client.call('Identity', 'Probe')).toEqual({ ready: { value: true } });
  expect(await storage.node()).toMatchObject({ listeners: [{ host: '10.0.0.1', port: 4420 }] });
});
