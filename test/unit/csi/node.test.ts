// The node service: what is staged, published, told and grown; refusals first.
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeCapabilities } from '../../../src/csi/node/node.js';
import { blockWriter, hostNqn, statusOf } from './harness.js';
import { NodeHarness, volumeId } from './node-harness.js';

let node: NodeHarness;
beforeEach(async () => {
  node = new NodeHarness();
  await node.start();
});
afterEach(() => node.close());

const mode = (name: string, mount: object = {}) => ({ mount, accessMode: { mode: name } });
const otherId = '11111111-2222-4333-8444-555555555502';

describe('K1, K6, K8: requests', () => {
  it('K1: refuses each request without any one field that has to be there', async () => {
    await node.stage();
    const requests: Record<string, Record<string, unknown>> = {
      NodeStageVolume: node.stageRequest(),
      NodeUnstageVolume: { volumeId, stagingTargetPath: node.staging() },
      NodeUnpublishVolume: { volumeId, targetPath: node.target() },
      NodeGetVolumeStats: { volumeId, volumePath: node.staging() },
      NodeExpandVolume: { volumeId, volumePath: node.staging() },
    };
    const { publishContext: _, stagingTargetPath: __, ...publishRequest } = node.publishRequest();
    requests.NodePublishVolume = publishRequest;
    for (const [method, request] of Object.entries(requests)) {
      for (const field of Object.keys(request)) {
        const { [field]: _missing, ...rest } = request;
        expect(await statusOf(node.call(method, rest)), `${method} without ${field}`).toBe(
          'INVALID_ARGUMENT',
        );
      }
    }
  });

  it('K6: refuses maps and strings that are too large', async () => {
    const large = { a: 'x'.repeat(4096) };
    expect(await statusOf(node.stage({ publishContext: large }))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(node.publish({ volumeContext: large }))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(node.stage({ volumeId: 'x'.repeat(129) }))).toBe('INVALID_ARGUMENT');
  });

  it('K8: knows no volume of another id, and makes no path of it', async () => {
    for (const id of ['../../etc', 'x', otherId]) {
      expect(await statusOf(node.unpublish({ volumeId: id }))).toBe('OK');
      expect(await statusOf(node.unstage({ volumeId: id }))).toBe('OK');
      expect(
        await statusOf(node.call('NodeGetVolumeStats', { volumeId: id, volumePath: node.target() })),
      ).toBe('NOT_FOUND');
      expect(await statusOf(node.call('NodeExpandVolume', { volumeId: id, volumePath: node.target() }))).toBe(
        'NOT_FOUND',
      );
    }
    expect(await statusOf(node.stage({ volumeId: '../../etc' }))).toBe('NOT_FOUND');
    expect(await node.leftovers()).toEqual([]);
  });

  it('refuses a context that names another volume, or that is not one', async () => {
    const { publishContext } = node.stageRequest() as { publishContext: Record<string, string> };
    for (const wrong of [
      { uuid: otherId },
      { transport: 'rdma' },
      { nqn: 'x' },
      { nsid: '0' },
      { nsid: '4294967295' },
      { addresses: '' },
      { addresses: '127.0.0.1' },
    ]) {
      const request = { publishContext: { ...publishContext, ...wrong } };
      expect(await statusOf(node.stage(request)), JSON.stringify(wrong)).toBe('INVALID_ARGUMENT');
    }
    expect(await node.leftovers()).toEqual([]);
  });

  it('refuses mount flags that change what is mounted, or that are no words', async () => {
    for (const flag of [
      'bind',
      'remount',
      'loop=/dev/loop0',
      '-o',
      'x-mount.mkdir',
      'noatime,move',
      'a b',
      'offset=5',
    ]) {
      const volumeCapability = mode('SINGLE_NODE_WRITER', { mountFlags: [flag] });
      expect(await statusOf(node.stage({ volumeCapability })), flag).toBe('INVALID_ARGUMENT');
    }
  });
});

describe('K9: paths', () => {
  it('refuses paths that are relative, elsewhere, or have .. in them', async () => {
    for (const path of [
      'x',
      '/etc/x',
      node.kubelet,
      `${node.kubelet}/`,
      `${node.targets}/../../x`,
      `${node.targets}//x`,
    ]) {
      expect(await statusOf(node.publish({ targetPath: path })), path).toBe('INVALID_ARGUMENT');
      expect(await statusOf(node.unpublish({ targetPath: path })), path).toBe('INVALID_ARGUMENT');
      expect(await statusOf(node.stage({ stagingTargetPath: path })), path).toBe('INVALID_ARGUMENT');
      expect(await statusOf(node.unstage({ stagingTargetPath: path })), path).toBe('INVALID_ARGUMENT');
      expect(await statusOf(node.stats(path)), path).toBe('NOT_FOUND'); // nothing is ever there
    }
  });

  it('refuses a symbolic link, on the way and at the end', async () => {
    await mkdir(join(node.directory, 'outside'));
    await symlink(join(node.directory, 'outside'), join(node.targets, 'link'));
    await node.stage();
    expect(await statusOf(node.publish({ targetPath: join(node.targets, 'link') }))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(node.publish({ targetPath: join(node.targets, 'link/x') }))).toBe(
      'INVALID_ARGUMENT',
    );
    expect(await readdir(join(node.directory, 'outside'))).toEqual([]);
    await symlink(join(node.directory, 'outside'), node.staging(otherId));
    expect(await statusOf(node.stage({}, otherId))).toBe('INVALID_ARGUMENT');
  });

  it('a link that is put in the place of a directory after the check is not followed', async () => {
    await mkdir(join(node.targets, 'way'));
    await mkdir(join(node.directory, 'outside'));
    const { rename } = await import('node:fs/promises');
    const places = node.places();
    await places.at('targetPath', join(node.targets, 'way/x'), async (place) => {
      await rename(join(node.targets, 'way'), join(node.targets, 'moved'));
      await symlink(join(node.directory, 'outside'), join(node.targets, 'way'));
      const { ensure } = await import('../../../src/csi/mounter/place.js');
      await ensure('targetPath', place, 'directory');
    });
    expect(await readdir(join(node.directory, 'outside'))).toEqual([]);
    expect(await readdir(join(node.targets, 'moved'))).toEqual(['x']);
  });

  it('refuses a file where a directory is to be, and a directory for a block device', async () => {
    await node.stage();
    await writeFile(node.target(), 'mine');
    expect(await statusOf(node.publish())).toBe('INVALID_ARGUMENT');
    expect(await readFile(node.target(), 'utf8')).toBe('mine');
    await node.stage({ volumeCapability: blockWriter }, otherId);
    await mkdir(node.target('pod-b'));
    const request = { volumeCapability: blockWriter, targetPath: node.target('pod-b') };
    expect(await statusOf(node.publish(request, otherId))).toBe('INVALID_ARGUMENT');
  });

  it('does not take away what holds something, and nothing that another has mounted', async () => {
    await mkdir(node.target());
    expect(await statusOf(node.unpublish())).toBe('OK');
    expect((await stat(node.target())).isDirectory()).toBe(true);
    node.mounter.mounts.push({
      mountPoint: node.target(),
      device: '8:1',
      fsType: 'ext4',
      options: ['rw'],
      superOptions: ['rw'],
    });
    expect(await statusOf(node.unpublish())).toBe('OK');
    expect(node.mounter.mounts).toHaveLength(1);
    await node.stage();
    expect(await statusOf(node.publish())).toBe('INVALID_ARGUMENT');
  });
});

describe('stage and publish', () => {
  it('formats what is empty, once, mounts it, and takes all of it away again', async () => {
    await node.stage();
    expect(node.attacher.targets[0]).toMatchObject({
      uuid: volumeId,
      hostNqn,
      nsid: 1,
      addresses: [
        { host: '127.0.0.1', port: 4420 },
        { host: '127.0.0.2', port: 4420 },
      ],
    });
    expect(node.mounter.formats).toEqual([volumeId]);
    expect(node.mounter.contents.get(volumeId)).toMatchObject({ kind: 'file-system', type: 'ext4' });
    await node.publish();
    expect(node.mounter.mounts.map(({ mountPoint }) => mountPoint)).toEqual([node.staging(), node.target()]);
    await node.unpublish();
    await node.unstage();
    expect(await node.leftovers()).toEqual([]);
    await node.stage();
    expect(node.mounter.formats).toEqual([volumeId]);
    expect(node.mounter.checks).toHaveLength(2);
  });

  it('K11: publishing what is not staged is refused; unstaging and unpublishing again is not', async () => {
    expect(await statusOf(node.publish())).toBe('FAILED_PRECONDITION');
    expect(await statusOf(node.publish({ stagingTargetPath: '' }))).toBe('FAILED_PRECONDITION');
    await node.stage();
    expect(await statusOf(node.publish({ stagingTargetPath: node.staging(otherId) }))).toBe(
      'FAILED_PRECONDITION',
    );
    await node.publish();
    expect(await statusOf(node.unstage())).toBe('FAILED_PRECONDITION');
    for (const _ of [1, 2]) expect(await statusOf(node.unpublish())).toBe('OK');
    for (const _ of [1, 2]) expect(await statusOf(node.unstage())).toBe('OK');
    expect(await node.leftovers()).toEqual([]);
  });

  it('K10: the table of two places and two ways', async () => {
    const b = { targetPath: node.target('pod-b') };
    const table = [
      ['SINGLE_NODE_WRITER', 'FAILED_PRECONDITION'],
      ['SINGLE_NODE_SINGLE_WRITER', 'FAILED_PRECONDITION'],
      ['SINGLE_NODE_READER_ONLY', 'FAILED_PRECONDITION'],
      ['SINGLE_NODE_MULTI_WRITER', 'OK'],
      ['MULTI_NODE_READER_ONLY', 'OK'],
    ] as const;
    await node.stage();
    await node.unstage(); // with a file system, for readers
    for (const [name, second] of table) {
      const volumeCapability = mode(name);
      await node.stage({ volumeCapability });
      expect(await statusOf(node.publish({ volumeCapability })), name).toBe('OK');
      expect(await statusOf(node.publish({ volumeCapability })), `${name}, T1=T2, P1=P2`).toBe('OK');
      expect(
        await statusOf(node.publish({ volumeCapability: { ...volumeCapability, mount: { fsType: 'xfs' } } })),
        `${name}, T1=T2, P1!=P2`,
      ).toBe('ALREADY_EXISTS');
      expect(await statusOf(node.publish({ volumeCapability, ...b })), `${name}, T1!=T2`).toBe(second);
      await node.unpublish();
      await node.unpublish(b);
      await node.unstage();
    }
    expect(await node.leftovers()).toEqual([]);
  });

  it('a read-only place of a volume that is written elsewhere', async () => {
    const volumeCapability = mode('SINGLE_NODE_MULTI_WRITER');
    await node.stage({ volumeCapability });
    await node.publish({ volumeCapability });
    await node.publish({ volumeCapability, readonly: true, targetPath: node.target('pod-b') });
    const options = (path: string) =>
      node.mounter.mounts.find(({ mountPoint }) => mountPoint === path)?.options;
    expect(options(node.target())).not.toContain('ro');
    expect(options(node.target('pod-b'))).toContain('ro');
    expect(await statusOf(node.publish({ volumeCapability, readonly: true }))).toBe('ALREADY_EXISTS');
  });

  it('readers get a device that is only read, and what is empty is not formatted for them', async () => {
    const volumeCapability = mode('MULTI_NODE_READER_ONLY');
    expect(await statusOf(node.stage({ volumeCapability }))).toBe('FAILED_PRECONDITION');
    expect(node.attacher.targets.at(-1)?.readOnly).toBe(true);
    expect(node.mounter.formats).toEqual([]);
  });

  it('a block device is bound to a file; to only read it, it needs a mode of readers', async () => {
    const block = { volumeCapability: blockWriter };
    await node.stage(block);
    expect(node.mounter.mounts).toEqual([]);
    expect(await statusOf(node.publish({ ...block, readonly: true }))).toBe('INVALID_ARGUMENT');
    await node.publish(block);
    expect((await stat(node.target())).isFile()).toBe(true);
    expect(node.mounter.formats).toEqual([]);
    await node.unpublish();
    await node.unstage();
    expect(await node.leftovers()).toEqual([]);
  });

  it('refuses to stage in another way, or elsewhere, what is staged', async () => {
    await node.stage();
    expect(
      await statusOf(node.stage({ volumeCapability: mode('SINGLE_NODE_WRITER', { fsType: 'xfs' }) })),
    ).toBe('ALREADY_EXISTS');
    expect(await statusOf(node.stage({ stagingTargetPath: node.staging(otherId) }))).toBe(
      'FAILED_PRECONDITION',
    );
    expect(await statusOf(node.unstage({ stagingTargetPath: node.staging(otherId) }))).toBe(
      'FAILED_PRECONDITION',
    );
    expect(await statusOf(node.stage())).toBe('OK');
    expect(node.mounter.mounts).toHaveLength(1);
  });

  it('many calls for one volume at once do it once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => statusOf(node.stage())));
    expect(new Set(answers)).toEqual(new Set(['OK']));
    expect(node.mounter.mounts).toHaveLength(1);
    expect(node.mounter.formats).toHaveLength(1);
    await Promise.all(Array.from({ length: 50 }, () => node.publish()));
    expect(node.mounter.mounts).toHaveLength(2);
  });

  it('after the machine was started anew, the same calls make it again', async () => {
    await node.stage();
    await node.publish();
    node.mounter.mounts.length = 0;
    node.attacher.attached.clear();
    await node.restart();
    await node.stage();
    await node.publish({ targetPath: node.target('pod-b') });
    expect(node.mounter.mounts).toHaveLength(2);
    expect(node.mounter.formats).toHaveLength(1);
    await node.unpublish();
    await node.unpublish({ targetPath: node.target('pod-b') });
    await node.unstage();
    expect(await node.leftovers()).toEqual([]);
  });
});

describe('K12: what is never formatted', () => {
  const refusals = [
    { kind: 'other', what: 'a partition table (gpt)' },
    { kind: 'data' },
    { kind: 'unclear', why: 'it cannot be read (EIO)' },
    { kind: 'file-system', type: 'btrfs', unused: false },
    { kind: 'file-system', type: 'xfs', unused: false },
  ] as const;

  it.each(refusals)('%j', async (content) => {
    node.mounter.contents.set(volumeId, content);
    const volumeCapability = mode('SINGLE_NODE_WRITER', { fsType: 'ext4' });
    expect(await statusOf(node.stage({ volumeCapability }))).toBe('FAILED_PRECONDITION');
    expect(node.mounter.formats).toEqual([]);
    expect(node.mounter.contents.get(volumeId)).toBe(content);
    await node.unstage();
    expect(await node.leftovers()).toEqual([]);
  });

  it('takes xfs where nothing else is asked for', async () => {
    node.mounter.contents.set(volumeId, { kind: 'file-system', type: 'xfs', unused: false });
    await node.stage();
    expect(node.mounter.mounts[0]).toMatchObject({ fsType: 'xfs', options: ['nouuid'] });
  });

  it('what this node began to make is made again, unless another node has used it since', async () => {
    node.mounter.before = (step) => {
      if (step === 'formatted') throw new Error('killed');
    };
    expect(await statusOf(node.stage())).toBe('INTERNAL');
    node.mounter.before = () => undefined;
    const made = node.mounter.contents.get(volumeId);
    // Unstaged: what was begun is remembered all the same.
    await node.unstage();
    expect(await node.records.find(volumeId)).toMatchObject({ formatting: { namespaceUuid: volumeId } });
    node.mounter.contents.set(volumeId, { ...made, unused: false } as never);
    await node.stage();
    expect(node.mounter.formats).toHaveLength(1);
    expect(await node.records.find(volumeId)).not.toHaveProperty('formatting');
    // And the marker is gone: data without a signature is data.
    await node.unstage();
    node.mounter.contents.set(volumeId, { kind: 'data' });
    expect(await statusOf(node.stage())).toBe('FAILED_PRECONDITION');
    expect(node.mounter.formats).toHaveLength(1);
  });

  it('a state file that is damaged is not taken for none', async () => {
    await node.stage();
    await node.unstage();
    node.mounter.contents.set(volumeId, { kind: 'data' });
    await node.records.put({ volumeId, publications: [] });
    const [name = ''] = await readdir(join(node.state, 'volumes'));
    await writeFile(join(node.state, 'volumes', name), '{');
    expect(await statusOf(node.stage())).toBe('INTERNAL');
    expect(node.mounter.formats).toHaveLength(1);
  });
});

describe('K13: devices', () => {
  it('refuses a device that is another namespace, or has become one', async () => {
    const attach = node.attacher.attach.bind(node.attacher);
    node.attacher.attach = async (target, options) => ({ ...(await attach(target, options)), uuid: otherId });
    expect(await statusOf(node.stage())).toBe('INTERNAL');
    node.attacher.attach = attach;
    const probe = node.mounter.probe.bind(node.mounter);
    node.mounter.probe = async (device) => {
      const content = await probe(device);
      const there = node.attacher.attached.get(volumeId);
      if (there !== undefined) node.attacher.attached.set(volumeId, { ...there, device: '/dev/fake99' });
      return content;
    };
    expect(await statusOf(node.stage())).toBe('UNAVAILABLE');
    expect(node.mounter.formats).toEqual([]);
  });

  it('waits for a node of the device that appears late', async () => {
    const number = node.mounter.deviceNumber.bind(node.mounter);
    node.mounter.deviceNumber = async () => undefined;
    expect(await statusOf(node.stage())).toBe('UNAVAILABLE');
    node.mounter.deviceNumber = number;
    expect(await statusOf(node.stage())).toBe('OK');
  });
});

describe('K20: deadlines', () => {
  it('a call whose deadline passes goes on, and the same call finds it done', async () => {
    const { promise, resolve: goOn } = resolvers();
    const format = node.mounter.format.bind(node.mounter);
    node.mounter.format = async (...all) => {
      await promise;
      return format(...all);
    };
    const first = node.call('NodeStageVolume', node.stageRequest(), { deadline: Date.now() + 300 });
    expect(await statusOf(first)).toBe('DEADLINE_EXCEEDED');
    const second = node.stage();
    goOn(undefined);
    expect(await statusOf(second)).toBe('OK');
    expect(node.mounter.formats).toEqual([volumeId]);
    expect(node.mounter.mounts).toHaveLength(1);
  });
});

function resolvers(): { promise: Promise<unknown>; resolve: (value: unknown) => void } {
  let resolve: (value: unknown) => void = () => undefined;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe('K18, K19: secrets', () => {
  it('no secret, token or mount flag of a request is in the log or on disk', async () => {
    const canary = 'canary-4711';
    const secrets = { key: canary };
    const volumeContext = {
      'csi.storage.k8s.io/serviceAccount.tokens': canary,
      'csi.storage.k8s.io/pod.uid': 'u-1',
      'csi.storage.k8s.io/pod.name': 'web-0',
    };
    const volumeCapability = mode('SINGLE_NODE_WRITER', { mountFlags: [`context=${canary}`] });
    await node.stage({ secrets, volumeContext, volumeCapability });
    await node.publish({ secrets, volumeContext, volumeCapability });
    await statusOf(node.publish({ secrets, volumeContext, volumeCapability, targetPath: node.target('b') }));
    await statusOf(node.stage({ secrets, publishContext: { token: canary }, volumeContext }, otherId));
    await node.call('NodeExpandVolume', { volumeId, volumePath: node.target(), secrets });
    expect(node.lines.join('')).toContain('NodePublishVolume');
    expect(node.lines.join('')).not.toContain(canary);
    for (const name of await readdir(join(node.state, 'volumes'))) {
      expect(await readFile(join(node.state, 'volumes', name), 'utf8')).not.toContain(canary);
    }
    const [record] = await node.records.list();
    expect(record?.publications[0]?.pod).toEqual({ uid: 'u-1', namespace: '', name: 'web-0' });
  });
});

describe('stats and growing', () => {
  it('tells of bytes and inodes, and of the size of a block device', async () => {
    await node.stage();
    await node.publish();
    expect(await node.stats(node.target())).toMatchObject({
      usage: [
        { unit: 'BYTES', total: '1000', used: '400', available: '600' },
        { unit: 'INODES', total: '1000' },
      ],
      volumeCondition: { abnormal: false },
    });
    await node.stage({ volumeCapability: blockWriter }, otherId);
    await node.publish({ volumeCapability: blockWriter, targetPath: node.target('b') }, otherId);
    expect(await node.stats(node.target('b'), otherId)).toMatchObject({
      usage: [{ unit: 'BYTES', total: String(1n << 30n) }],
      volumeCondition: { abnormal: false },
    });
    expect(await statusOf(node.stats(node.target('c')))).toBe('NOT_FOUND');
  });

  it('K22: a condition that is abnormal says why', async () => {
    await node.stage();
    await node.publish();
    const condition = async () => (await node.stats(node.target())).volumeCondition;
    node.attacher.setState(volumeId, 'reconnecting');
    expect(await condition()).toMatchObject({ abnormal: true, message: /waits/ });
    node.attacher.setState(volumeId, 'dead');
    expect(await condition()).toMatchObject({ abnormal: true, message: /dead/ });
    node.attacher.setState(volumeId, 'live');
    expect(await condition()).toMatchObject({ abnormal: false });
    const [staged, bound] = node.mounter.mounts;
    if (staged === undefined || bound === undefined) throw new Error('nothing is mounted');
    for (const superOptions of [['ro'], ['rw', 'emergency_ro']]) {
      node.mounter.mounts[1] = { ...bound, superOptions };
      expect(await condition()).toMatchObject({ abnormal: true, message: /read-only/ });
    }
    node.mounter.mounts[1] = { ...bound, device: '259:77' };
    expect(await condition()).toMatchObject({ abnormal: true, message: /gone/ });
    node.mounter.mounts[1] = bound;
    node.mounter.troubles.set(node.target(), 'EIO');
    expect(await condition()).toMatchObject({ abnormal: true, message: /EIO/ });
    node.mounter.mounts.length = 1;
    expect(await condition()).toMatchObject({ abnormal: true, message: /mounted/ });
    node.attacher.attached.clear();
    expect(await condition()).toMatchObject({ abnormal: true });
  });

  it('K22: a device that died is replaced when no pod uses it any more', async () => {
    await node.stage();
    await node.publish();
    node.attacher.setState(volumeId, 'dead');
    expect(await statusOf(node.publish())).toBe('UNAVAILABLE');
    expect(await statusOf(node.stage())).toBe('FAILED_PRECONDITION'); // the pod is still there
    await node.unpublish();
    await node.stage();
    await node.publish();
    expect((await node.stats(node.target())).volumeCondition).toMatchObject({ abnormal: false });
    await node.unpublish();
    await node.unstage();
    expect(await node.leftovers()).toEqual([]);
  });

  it('grows the file system after the device, and a block device by itself', async () => {
    await node.stage();
    await node.publish();
    const before = node.mounter.grown.length;
    const request = {
      volumeId,
      volumePath: node.target(),
      capacityRange: { requiredBytes: String(2n << 30n) },
    };
    expect(await statusOf(node.call('NodeExpandVolume', request))).toBe('UNAVAILABLE');
    node.attacher.sizes.set(volumeId, 2n << 30n);
    expect(await node.call('NodeExpandVolume', request)).toEqual({ capacityBytes: String(2n << 30n) });
    expect(node.mounter.grown).toHaveLength(before + 1);
    const less = { ...request, capacityRange: { requiredBytes: '1', limitBytes: String(1n << 30n) } };
    expect(await statusOf(node.call('NodeExpandVolume', less))).toBe('OUT_OF_RANGE');
    await node.stage({ volumeCapability: blockWriter }, otherId);
    node.attacher.sizes.set(otherId, 3n << 30n);
    const block = { volumeId: otherId, volumePath: node.staging(otherId) };
    expect(await node.call('NodeExpandVolume', block)).toEqual({ capacityBytes: String(3n << 30n) });
    expect(node.mounter.grown).toHaveLength(before + 1);
  });
});

describe('what it says of itself', () => {
  it('capabilities, id, limit and topology', async () => {
    const { capabilities } = await node.call('NodeGetCapabilities');
    expect(capabilities.map((one: { rpc: { type: string } }) => one.rpc.type)).toEqual(nodeCapabilities);
    expect(await node.call('NodeGetInfo')).toMatchObject({ nodeId: hostNqn, accessibleTopology: null });
    node.topology = { zone: 'a' };
    node.volumesMax = 64;
    await node.restart();
    expect(await node.call('NodeGetInfo')).toEqual({
      nodeId: hostNqn,
      maxVolumesPerNode: '64',
      accessibleTopology: { segments: { zone: 'a' } },
    });
  });

  it('volume_mount_group: the root gets the group and hands it on', async () => {
    const gid = process.getgid?.() ?? 0;
    const volumeCapability = mode('SINGLE_NODE_WRITER', { volumeMountGroup: String(gid) });
    await node.stage({ volumeCapability });
    await node.publish({ volumeCapability });
    const { mode: bits, gid: found } = await stat(node.target());
    expect([found, (bits & 0o7777).toString(8)]).toEqual([gid, '2770']);
    const wrong = mode('SINGLE_NODE_WRITER', { volumeMountGroup: 'users' });
    expect(await statusOf(node.stage({ volumeCapability: wrong }, otherId))).toBe('INVALID_ARGUMENT');
  });
});
