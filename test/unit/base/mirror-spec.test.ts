import { describe, expect, it } from 'vitest';
import { checkMirrors, replicasMadeFor } from '../../../src/base/mirror-settings.js';
import { parseMirrorOption } from '../../../src/base/mirror-spec.js';
import { parseReplicaOption } from '../../../src/base/replica-spec.js';
import { parseVolumeOption } from '../../../src/base/volume-spec.js';

const uuid = '11111111-2222-3333-4444-555555555555';
const remote = `tcp://192.0.2.7:4421/nqn.2026-11.dev.ballast:replica:${uuid}`;

describe('--replica', () => {
  it.each([
    ['r1', 'NAME=SPEC'],
    ['r 1=file:/x:1M', 'the name must be'],
    ['r1=mem:1M', "'mem:1M' is not file:PATH"],
    ['r1=file:', 'the path is empty'],
    ['r1=file:/x:1000', 'not a multiple of the block size 4096'],
    ['r1=pool:p', 'is not pool:POOL/VOLUME'],
    ['r1=pool:p/v/w', 'is not pool:POOL/VOLUME'],
    ['r1=pool:p/v,block=512', 'block must be 4096 in a pool'],
    ['r1=file:/x,block=1024', 'block must be 512 or 4096'],
    ['r1=file:/x,uuid=7', "uuid '7' is not a UUID"],
    ['r1=file:/x,read-only', "option 'read-only' has no value"],
    ['r1=file:/x,iops=5', "unknown option 'iops'"],
    ['r1=file:/x,block=512,block=512', 'option block is given twice'],
    ['r1=file:/x,allow-host=nobody', 'expected nqn.'],
  ])('refuses %s', (text, reason) => {
    expect(() => parseReplicaOption(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_REPLICA_SPEC', message: expect.stringContaining(reason) }),
    );
  });

  it('takes a file or a volume of a pool, with options', () => {
    const hosts = ['nqn.2026-11.dev.ballast:host:a', 'nqn.2026-11.dev.ballast:host:b'];
    const allowed = hosts.map((host) => `,allow-host=${host}`).join('');
    expect(parseReplicaOption(`r1=file:/srv/r1.img:1MiB,block=512,uuid=${uuid}${allowed}`)).toEqual({
      name: 'r1',
      device: { kind: 'file', path: '/srv/r1.img', sizeBytes: 1n << 20n },
      blockSizeBytes: 512,
      uuid,
      allowedHosts: hosts,
    });
    expect(parseReplicaOption('r2=pool:p/v')).toEqual({
      name: 'r2',
      device: { kind: 'pool', pool: 'p', volume: 'v' },
      blockSizeBytes: 4096,
      allowedHosts: [],
    });
  });
});

describe('--mirror', () => {
  it.each([
    ['db', 'NAME=MEMBER'],
    ['db=r1', 'it has one member; 2 to 8 can be'],
    ['db=', "'' is no member"],
    [`db=${Array.from({ length: 9 }, (_, i) => `r${i}`).join(',')}`, '9 members; 2 to 8'],
    ['db=r1,r1', "replica 'r1' is given twice"],
    [`db=${remote},${remote}`, `replica ${uuid} is given twice`],
    ['db=file:/a:1M,file:/b:1M', 'one replica is made for it at most'],
    ['db=r1,tcp://h:4420', 'does not name a replica'],
    ['db=r1,tcp://h:4420/nqn.2026-11.dev.ballast:volume:x', 'does not name a replica'],
    ['db=r1,rdma://h/x', "transport 'rdma' is not tcp"],
    ['db=r1,min-in-sync=1', 'it has one member'],
    ['db=r1,r2,min-in-sync=1,r3', "option 'r3' has no value"],
    ['db=r1,r2,min-in-sync=3', 'at most its 2 members'],
    ['db=r1,r2,min-in-sync=0', 'a whole number from 1 to 8'],
    ['db=r1,r2,lease=1', 'lease must be a whole number from 10'],
    ['db=r1,r2,latency-budget=x', 'latency-budget must be'],
    ['db=r1,r2,resync-rate=fast', 'expected a number with a unit'],
    ['db=r1,r2,resync-rate=0', 'is zero'],
    ['db=r1,r2,below-min=maybe', 'below-min must be wait or fail'],
    ['db=r1,r2,read-only=true', "unknown option 'read-only'"],
    ['db=r1,r2,iops=10,min-iops=20', 'at most the limit'],
    [`db=r1,r2,nqn=${'x'.repeat(9)}`, 'expected nqn.'],
  ])('refuses %s', (text, reason) => {
    expect(() => parseMirrorOption(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_MIRROR_SPEC', message: expect.stringContaining(reason) }),
    );
  });

  it('takes members of all kinds and every option', () => {
    const options =
      'min-in-sync=2,lease=500,latency-budget=2000,resync-rate=100MiB/s,below-min=fail,' +
      `uuid=${uuid},iops=5000,allow-host=nqn.2026-11.dev.ballast:host:a`;
    expect(parseMirrorOption(`db=file:/srv/db.img:1GiB,r2,${remote},${options}`)).toEqual({
      name: 'db',
      members: [
        { kind: 'device', device: { kind: 'file', path: '/srv/db.img', sizeBytes: 1n << 30n } },
        { kind: 'replica', name: 'r2' },
        { kind: 'remote', uuid, address: { host: '192.0.2.7', port: 4421 } },
      ],
      blockSizeBytes: 4096,
      minInSync: 2,
      leaseMs: 500,
      latencyBudgetMs: 2000,
      resyncBytesPerSecond: 100n << 20n,
      belowMin: 'fail',
      uuid,
      qos: { iops: 5000 },
      allowedHosts: ['nqn.2026-11.dev.ballast:host:a'],
    });
  });

  it('waits below the minimum, and takes min-in-sync from the record, unless told otherwise', () => {
    const spec = parseMirrorOption('db=r1,r2');
    expect(spec).toMatchObject({ belowMin: 'wait', blockSizeBytes: 4096 });
    expect(spec.minInSync).toBeUndefined();
  });
});

describe('volumes, replicas and mirrors of one daemon', () => {
  const check = ({ volumes = [] as string[], replicas = [] as string[], mirrors = [] as string[] }) => {
    const parsed = mirrors.map(parseMirrorOption);
    const all = [...replicas.map(parseReplicaOption), ...parsed.flatMap(replicasMadeFor)];
    checkMirrors(volumes.map(parseVolumeOption), all, parsed);
  };

  it.each([
    [{ replicas: ['r=file:/a', 'r=file:/b'] }, "replica 'r': the name is given twice"],
    [{ replicas: ['r=file:/a', 's=file:/a'] }, "replica 's': /a belongs to replica 'r'"],
    [{ replicas: ['r=file:/a', 's=file:/a.replica'] }, "/a.replica belongs to replica 'r'"],
    [{ replicas: ['r=pool:p/v', 's=pool:p/v'] }, "volume 'v' of pool 'p' belongs to replica 'r'"],
    [{ volumes: ['v=file:/a'], replicas: ['r=file:/a'] }, "/a belongs to volume 'v'"],
    [{ replicas: [`r=file:/a,uuid=${uuid}`, `s=file:/b,uuid=${uuid}`] }, 'is given twice'],
    [{ mirrors: [`db=r1,${remote}`] }, "there is no --replica 'r1'"],
    [
      { replicas: ['r=file:/a'], mirrors: [`a=r,${remote}`, 'b=r,file:/b'] },
      "a member of mirror 'a' already",
    ],
    [
      { replicas: ['db=file:/a'], mirrors: [`db=file:/b,${remote}`] },
      "replica 'db': the name is given twice",
    ],
    [{ volumes: ['db=mem:1M'], mirrors: [`db=file:/b,${remote}`] }, 'another volume of the command line'],
  ])('refuses %j', (given, reason) => {
    expect(() => check(given)).toThrow(reason);
  });

  it('takes a replica and a mirror beside each other', () => {
    const replicas = ['r1=file:/a', 'r2=pool:p/v'];
    expect(() => check({ replicas, mirrors: ['db=r1,r2', `log=file:/b:1M,${remote}`] })).not.toThrow();
  });
});
