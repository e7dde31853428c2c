// Publishing and its end: which node has a volume, who is kept out, what is refused while somebody has it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PoolFailedError } from '../../../src/base/pool-errors.js';
import { CsiHarness, hostNqn, statusOf } from './harness.js';

let csi: CsiHarness;
let volumeId: string;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
  volumeId = (await csi.volume('v')).volumeId;
});
afterEach(() => csi.close());

const other = 'nqn.2014-08.org.nvmexpress:uuid:22222222-2222-4333-8444-555555555555';
const block = (mode: string) => ({ volumeCapability: { block: {}, accessMode: { mode } } });
const mount = (mode: string) => ({ volumeCapability: { mount: {}, accessMode: { mode } } });
const publish = (nodeId: string, request: object = {}) =>
  csi.call('ControllerPublishVolume', csi.publishRequest(volumeId, { nodeId, ...request }));
const unpublish = (nodeId = '') => csi.call('ControllerUnpublishVolume', { volumeId, nodeId });
const grants = async () => (await csi.storage.volume(volumeId)).hosts;
/** To whom the target lets a connection through. */
const served = () => csi.world.engine.volumes.find(({ uuid }) => uuid === volumeId)?.hosts;

describe('a volume', () => {
  it('is for nobody until it is published, also a copy', async () => {
    expect(await grants()).toEqual([]);
    const { snapshotId } = await csi.snapshot(volumeId, 's');
    for (const source of [{ snapshot: { snapshotId } }, { volume: { volumeId } }]) {
      const copy = await csi.volume(`copy-${Object.keys(source)}`, { volumeContentSource: source });
      expect((await csi.storage.volume(copy.volumeId)).hosts).toEqual([]);
    }
  });

  it('is granted to the node alone for every mode of a single node, and again is the same', async () => {
    for (const mode of [
      'SINGLE_NODE_WRITER',
      'SINGLE_NODE_READER_ONLY',
      'SINGLE_NODE_SINGLE_WRITER',
      'SINGLE_NODE_MULTI_WRITER',
    ]) {
      const first = await publish(hostNqn, mount(mode));
      expect(await publish(hostNqn, mount(mode))).toEqual(first);
      expect(await grants()).toEqual([{ nqn: hostNqn, exclusive: true }]);
      await unpublish(hostNqn);
      expect([await grants(), served()]).toEqual([[], []]);
    }
  });

  it('K14: at a second node is FAILED_PRECONDITION, which names the first, and stays out', async () => {
    await publish(hostNqn);
    const second = publish(other);
    await expect(second).rejects.toThrow(hostNqn);
    expect(await statusOf(publish(other, block('MULTI_NODE_MULTI_WRITER')))).toBe('FAILED_PRECONDITION');
    expect(served()).toEqual([hostNqn]);
    await unpublish(hostNqn);
    await publish(other);
    expect(served()).toEqual([other]);
  });

  it('K14: published at two nodes at once is at one of them', async () => {
    const results = await Promise.all([hostNqn, other].map((node) => statusOf(publish(node))));
    expect(results.sort()).toEqual(['FAILED_PRECONDITION', 'OK']);
    expect(await grants()).toHaveLength(1);
  });

  it('at the same node with another kind of mode is ALREADY_EXISTS', async () => {
    await publish(hostNqn);
    expect(await statusOf(publish(hostNqn, block('MULTI_NODE_MULTI_WRITER')))).toBe('ALREADY_EXISTS');
    await unpublish(hostNqn);
    await publish(hostNqn, mount('MULTI_NODE_READER_ONLY'));
    expect(await statusOf(publish(hostNqn))).toBe('ALREADY_EXISTS');
    expect(await grants()).toEqual([{ nqn: hostNqn, exclusive: false }]);
  });

  it.each([mount('MULTI_NODE_READER_ONLY'), block('MULTI_NODE_MULTI_WRITER')])(
    'is at several nodes with %o, and then at none alone',
    async (request) => {
      await publish(hostNqn, request);
      await publish(other, request);
      expect(served()).toEqual([hostNqn, other]);
      expect(await statusOf(publish('nqn.2026-11.dev.ballast:host:third'))).toBe('FAILED_PRECONDITION');
      await unpublish(hostNqn);
      expect(served()).toEqual([other]);
    },
  );

  it('that any host may use, made by an administrator, is closed by the first node', async () => {
    await csi.world.service.volumes.create({ name: 'theirs', sizeBytes: 1n << 24n });
    const { uuid } = await csi.storage.volume('theirs');
    expect(await statusOf(csi.call('ControllerUnpublishVolume', { volumeId: uuid }))).toBe('OK');
    await csi.call('ControllerPublishVolume', csi.publishRequest(uuid));
    expect((await csi.storage.volume('theirs')).hosts).toEqual([{ nqn: hostNqn, exclusive: true }]);
  });
});

describe('the end of publishing', () => {
  it('K15: is answered when the target has let go of the node, and until then is not', async () => {
    await publish(hostNqn);
    csi.world.engine.crashAfter('setHosts'); // never answers: its last I/O is still at the device
    let ended = false;
    const ending = unpublish(hostNqn).then(
      () => (ended = true),
      () => undefined,
    );
    await csi.world.crashed();
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(false);
    // Another controller, another node: it is kept out for as long.
    await csi.startDriver();
    const late = csi.call('ControllerPublishVolume', csi.publishRequest(volumeId, { nodeId: other }), {
      deadline: Date.now() + 300,
    });
    expect(await statusOf(late)).toBe('DEADLINE_EXCEEDED');
    await ending;
    expect(ended).toBe(false);
  });

  it('K15: that failed is asked for again, and waits again', async () => {
    await publish(hostNqn);
    csi.world.engine.connected.set((await csi.storage.volume(volumeId)).nqn, [hostNqn]);
    for (const node of [hostNqn, '']) {
      csi.world.engine.fail('setHosts', new PoolFailedError('engine', 'EIO'));
      expect(await statusOf(unpublish(node))).toBe('INTERNAL');
    }
    csi.world.changes();
    await unpublish();
    expect(csi.world.changes()).toContainEqual(expect.stringMatching(/^setHosts /));
    expect(served()).toEqual([]);
  });

  it('without a node is that of all', async () => {
    await publish(hostNqn, block('MULTI_NODE_MULTI_WRITER'));
    await publish(other, block('MULTI_NODE_MULTI_WRITER'));
    await unpublish();
    expect([await grants(), served()]).toEqual([[], []]);
  });

  it('again, of another node, of no volume: is there already', async () => {
    await publish(hostNqn);
    await unpublish(other);
    await unpublish('no NQN');
    expect(served()).toEqual([hostNqn]);
    await unpublish(hostNqn);
    await unpublish(hostNqn);
    await csi.call('DeleteVolume', { volumeId });
    await unpublish(hostNqn);
    await unpublish();
  });
});

describe('what is published', () => {
  it('is told of by its nodes', async () => {
    const status = async () => (await csi.call('ControllerGetVolume', { volumeId })).status;
    expect((await status()).publishedNodeIds).toEqual([]);
    await publish(hostNqn);
    expect(await status()).toEqual({
      publishedNodeIds: [hostNqn],
      volumeCondition: { abnormal: false, message: 'it is served' },
    });
    const { entries } = await csi.call('ListVolumes');
    expect(entries[0].status.publishedNodeIds).toEqual([hostNqn]);
  });

  it('K16: is not deleted, nor one that has snapshots', async () => {
    await publish(hostNqn);
    const remove = () => statusOf(csi.call('DeleteVolume', { volumeId }));
    expect(await remove()).toBe('FAILED_PRECONDITION');
    expect(served()).toEqual([hostNqn]);
    const { snapshotId } = await csi.snapshot(volumeId, 's');
    await unpublish();
    expect(await remove()).toBe('FAILED_PRECONDITION');
    await csi.call('DeleteSnapshot', { snapshotId });
    expect(await remove()).toBe('OK');
  });
});
