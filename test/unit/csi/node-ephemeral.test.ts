// Volumes that live as long as a pod: made through the REST API of a daemon when they are published, gone
// when that ends, wherever the plugin was killed.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { gib } from '../../support/pool-harness.js';
import { blockWriter, CsiHarness, hostNqn, mountWriter, statusOf } from './harness.js';
import { NodeHarness } from './node-harness.js';

interface ExamplePod {
  readonly spec: {
    readonly volumes: readonly {
      readonly name: string;
      readonly csi?: { readonly volumeAttributes: Readonly<Record<string, string>> };
    }[];
  };
}

let csi: CsiHarness;
let node: NodeHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
  node = new NodeHarness();
  node.apiSocket = join(csi.world.directory, 'api.sock');
  await node.start();
}, 30_000);
afterEach(async () => {
  await node.close();
  await csi.close();
});

const id = `csi-${'a'.repeat(64)}`;
const context = (more: Record<string, string> = {}) => ({
  'csi.storage.k8s.io/ephemeral': 'true',
  'csi.storage.k8s.io/pod.uid': 'u-1',
  size: '2GiB',
  ...more,
});
const publish = (request: object = {}) =>
  node.call('NodePublishVolume', {
    volumeId: id,
    targetPath: node.target(),
    volumeCapability: mountWriter,
    volumeContext: context(),
    ...request,
  });
/** Of pools: the daemon has others. */
const volumes = async () => (await csi.storage.volumes()).filter(({ kind }) => kind === 'pool');
const unpublish = () => node.call('NodeUnpublishVolume', { volumeId: id, targetPath: node.target() });

describe('an ephemeral volume', () => {
  it('is made for this node alone, mounted, told of, and deleted with its data', async () => {
    await publish();
    const [volume] = await volumes();
    expect(volume).toMatchObject({ sizeBytes: Number(2n * gib), hosts: [{ nqn: hostNqn }] });
    expect(volume?.name).toMatch(/^csi\.e\./);
    expect(node.mounter.mounts).toMatchObject([{ mountPoint: node.target(), fsType: 'ext4' }]);
    expect(await node.stats(node.target(), id)).toMatchObject({ volumeCondition: { abnormal: false } });
    await publish();
    expect(await volumes()).toHaveLength(1);
    for (const _ of [1, 2]) await unpublish();
    expect(await volumes()).toEqual([]);
    expect(await node.leftovers()).toEqual([]);
  });

  it('has the limits that its attributes say, as deploy/examples/ephemeral.yaml does', async () => {
    const text = await readFile(new URL('../../../deploy/examples/ephemeral.yaml', import.meta.url), 'utf8');
    const { spec } = parse(text) as ExamplePod;
    const attributes = spec.volumes.find(({ name }) => name === 'cache')?.csi?.volumeAttributes ?? {};
    await publish({ volumeContext: context(attributes) });
    const [volume] = await volumes();
    expect(volume).toMatchObject({
      sizeBytes: Number(gib),
      qos: { class: 'best-effort', iops: 2000, throughput: 100 },
    });
  });

  it('refuses what it cannot be, and makes nothing', async () => {
    const refused = [
      { volumeContext: context({ size: '' }) },
      { volumeContext: context({ size: 'much' }) },
      { volumeContext: context({ fsType: 'btrfs' }) },
      { volumeContext: context({ replicas: '3' }) }, // the daemon is no cluster
      { volumeContext: context({ replicas: 'all' }) },
      { volumeContext: context({ iops: 'many' }) },
      { volumeContext: context({ thin: 'perhaps' }) },
      { volumeCapability: blockWriter },
      { readonly: true },
      { targetPath: '/etc/x' },
    ];
    for (const request of refused) {
      expect(await statusOf(publish(request)), JSON.stringify(request)).toBe('INVALID_ARGUMENT');
    }
    expect(await volumes()).toEqual([]);
    expect(await node.leftovers()).toEqual([]);
  });

  it('at another place, or in another way, is another volume than the id says', async () => {
    await publish();
    expect(await statusOf(publish({ targetPath: node.target('pod-b') }))).toBe('FAILED_PRECONDITION');
    const volumeCapability = { mount: { fsType: 'xfs' }, accessMode: { mode: 'SINGLE_NODE_WRITER' } };
    expect(await statusOf(publish({ volumeCapability }))).toBe('ALREADY_EXISTS');
  });

  it('K12: killed at each step, the same calls finish, and nothing is left', async () => {
    for (let step = 1; step <= 14; step += 1) {
      let count = 0;
      const before = () => {
        count += 1;
        if (count === step) throw new Error('killed');
      };
      node.mounter.before = before;
      node.attacher.before = before;
      for (const call of [publish, unpublish]) {
        if ((await statusOf(call())) === 'OK') continue;
        await node.restart();
        expect(await statusOf(call()), `step ${step}`).toBe('OK');
      }
      expect(await volumes(), `step ${step}`).toEqual([]);
      expect(await node.leftovers(), `step ${step}`).toEqual([]);
    }
  });

  it('is still there, and deleted later, while the daemon does not answer', async () => {
    await publish();
    await csi.daemon.stop();
    expect(await statusOf(unpublish())).toBe('UNAVAILABLE');
    await csi.daemon.restart();
    await unpublish();
    expect(await volumes()).toEqual([]);
    expect(await node.leftovers()).toEqual([]);
  });
});
