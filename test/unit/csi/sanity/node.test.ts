// The cases of csi-sanity for the node service, and for a volume from its creation to its end, under their
// names: the controller over the REST API of a daemon, the node over a fake attacher and a fake mounter.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CsiHarness, mountWriter, statusOf } from '../harness.js';
import { NodeHarness } from '../node-harness.js';

let csi: CsiHarness;
let node: NodeHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  node = new NodeHarness();
  await csi.start();
  await node.start();
});
afterEach(async () => {
  await node.close();
  await csi.close();
});

const gib = String(1n << 30n);
const unknown = '11111111-2222-4333-8444-999999999999';
const words = (...parts: string[]) => parts.join(' ');
const asks = (method: string, request: object = {}) => statusOf(node.call(method, request));
const single = { mount: {}, accessMode: { mode: 'SINGLE_NODE_SINGLE_WRITER' } };

interface Used {
  readonly volumeId: string;
  readonly publishContext: object;
  readonly nodeId: string;
}

/** A volume that is created and published to the node. */
async function granted(volumeCapability: object): Promise<Used> {
  const { volumeId } = await csi.volume('v', { volumeCapabilities: [volumeCapability] });
  const { nodeId } = await node.call('NodeGetInfo');
  const request = { volumeId, nodeId, volumeCapability };
  const { publishContext } = await csi.call('ControllerPublishVolume', request);
  return { volumeId, publishContext, nodeId };
}

async function staged(volumeCapability: object = mountWriter): Promise<Used> {
  const used = await granted(volumeCapability);
  const { publishContext } = used;
  await node.stage({ publishContext, volumeCapability }, used.volumeId);
  await node.publish({ publishContext, volumeCapability }, used.volumeId);
  return used;
}

async function ended({ volumeId, nodeId }: Used): Promise<void> {
  await node.unpublish({}, volumeId);
  await node.unstage({}, volumeId);
  await csi.call('ControllerUnpublishVolume', { volumeId, nodeId });
  await csi.call('DeleteVolume', { volumeId });
}

describe('Node Service', () => {
  it('NodeGetCapabilities: should return appropriate capabilities', async () => {
    const { capabilities } = await node.call('NodeGetCapabilities');
    const types = capabilities.map((one: { rpc: { type: string } }) => one.rpc.type);
    expect(types).toContain('STAGE_UNSTAGE_VOLUME');
    expect(types).not.toContain('UNKNOWN');
    expect(new Set(types).size).toBe(types.length);
  });

  it('NodeGetInfo: should return appropriate values', async () => {
    const { nodeId, maxVolumesPerNode } = await node.call('NodeGetInfo');
    expect(nodeId).toMatch(/^nqn\./);
    expect(Buffer.byteLength(nodeId)).toBeLessThanOrEqual(256);
    expect(Number(maxVolumesPerNode)).toBeGreaterThanOrEqual(0);
  });

  it('should work', async () => {
    const used = await staged();
    await ended(used);
    expect(await node.leftovers()).toEqual([]);
    expect((await csi.call('ListVolumes')).entries).toEqual([]);
  });

  it('should be idempotent', async () => {
    const { publishContext, ...used } = await staged();
    for (let again = 0; again < 10; again += 1) {
      expect(await granted(mountWriter)).toEqual({ publishContext, ...used });
      await node.stage({ publishContext }, used.volumeId);
      await node.publish({ publishContext }, used.volumeId);
    }
    for (let again = 0; again < 10; again += 1) await ended({ publishContext, ...used });
    expect(await node.leftovers()).toEqual([]);
  });
});

describe('NodePublishVolume', () => {
  it('should fail when no volume id is provided', async () => {
    expect(await asks('NodePublishVolume')).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no target path is provided', async () => {
    expect(await asks('NodePublishVolume', { volumeId: unknown })).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no volume capability is provided', async () => {
    const request = { volumeId: unknown, targetPath: node.target() };
    expect(await asks('NodePublishVolume', request)).toBe('INVALID_ARGUMENT');
  });

  it(
    words(
      'should fail when volume with single node single writer access mode is already mounted',
      'at a different target path',
    ),
    async () => {
      const { volumeId, publishContext } = await staged(single);
      const other = { publishContext, volumeCapability: single, targetPath: node.target('pod-b') };
      expect(await statusOf(node.publish(other, volumeId))).toBe('FAILED_PRECONDITION');
    },
  );
});

describe('NodeUnpublishVolume', () => {
  it('should fail when no volume id is provided', async () => {
    expect(await asks('NodeUnpublishVolume')).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no target path is provided', async () => {
    expect(await asks('NodeUnpublishVolume', { volumeId: unknown })).toBe('INVALID_ARGUMENT');
  });

  it('should remove target path', async () => {
    const { volumeId } = await staged();
    expect(existsSync(node.target())).toBe(true);
    await node.unpublish({}, volumeId);
    expect(existsSync(node.target())).toBe(false);
  });
});

describe('NodeStageVolume', () => {
  const request = () => ({
    volumeId: unknown,
    stagingTargetPath: node.staging(unknown),
    volumeCapability: mountWriter,
    publishContext: {},
  });

  it('should fail when no volume id is provided', async () => {
    const { volumeId: _missing, ...rest } = request();
    expect(await asks('NodeStageVolume', rest)).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no staging target path is provided', async () => {
    const { stagingTargetPath: _missing, ...rest } = request();
    expect(await asks('NodeStageVolume', rest)).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no volume capability is provided', async () => {
    const { volumeId, publishContext } = await granted(mountWriter);
    const rest = { volumeId, publishContext, stagingTargetPath: node.staging(volumeId) };
    expect(await asks('NodeStageVolume', rest)).toBe('INVALID_ARGUMENT');
  });
});

describe('NodeUnstageVolume', () => {
  it('should fail when no volume id is provided', async () => {
    const request = { stagingTargetPath: node.staging() };
    expect(await asks('NodeUnstageVolume', request)).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no staging target path is provided', async () => {
    expect(await asks('NodeUnstageVolume', { volumeId: unknown })).toBe('INVALID_ARGUMENT');
  });
});

describe('NodeGetVolumeStats', () => {
  it('should fail when no volume id is provided', async () => {
    expect(await asks('NodeGetVolumeStats', { volumePath: 'some/path' })).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no volume path is provided', async () => {
    expect(await asks('NodeGetVolumeStats', { volumeId: unknown })).toBe('INVALID_ARGUMENT');
  });

  it('should fail when volume is not found', async () => {
    expect(await statusOf(node.stats('some/path', unknown))).toBe('NOT_FOUND');
  });

  it('should fail when volume does not exist on the specified path', async () => {
    const { volumeId } = await staged();
    expect(await statusOf(node.stats('some/path', volumeId))).toBe('NOT_FOUND');
    expect(await statusOf(node.stats(join(node.targets, 'other'), volumeId))).toBe('NOT_FOUND');
    expect(await statusOf(node.stats(node.target(), volumeId))).toBe('OK');
  });
});

describe('NodeExpandVolume', () => {
  it('should fail when no volume id is provided', async () => {
    const request = { volumePath: node.target(), volumeCapability: mountWriter };
    expect(await asks('NodeExpandVolume', request)).toBe('INVALID_ARGUMENT');
  });

  it('should fail when no volume path is provided', async () => {
    const { volumeId } = await csi.volume('v');
    expect(await asks('NodeExpandVolume', { volumeId, volumeCapability: mountWriter })).toBe(
      'INVALID_ARGUMENT',
    );
  });

  it('should fail when volume is not found', async () => {
    const request = { volumeId: unknown, volumePath: 'some/path' };
    expect(await asks('NodeExpandVolume', request)).toBe('NOT_FOUND');
  });

  it('should work if node-expand is called after node-publish', async () => {
    const { volumeId } = await staged();
    const capacityRange = { requiredBytes: String(2n * BigInt(gib)) };
    await csi.call('ControllerExpandVolume', { volumeId, capacityRange });
    node.attacher.sizes.set(volumeId, 2n * BigInt(gib));
    const request = { volumeId, volumePath: node.target(), capacityRange };
    expect(await asks('NodeExpandVolume', request)).toBe('OK');
  });
});
