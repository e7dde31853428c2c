// `npm run demo:csi`: what Kubernetes does with a volume, done by hand through the CSI socket, on this
// machine: a daemon with a pool in a temporary directory, and `ballast csi` beside it. Needs root, FUSE and
// loop, and no NVMe driver; --driver kernel takes that instead. A line a step; exit status 1 at the first
// that fails, 77 where this machine cannot run it. Nothing is left, whatever happens.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { leftovers, loopsOf, mountsBelow } from './demo-csi/leftovers.mjs';
import { Orchestrator } from './demo-csi/orchestrator.mjs';
import { Programs } from './demo-csi/programs.mjs';
import { readAll, sha256, writeData, writesPerSecond } from './demo-csi/workload.mjs';

const { values: options } = parseArgs({
  options: {
    driver: { type: 'string', default: 'fuse' },
    directory: { type: 'string' }, // of the temporary one
    pool: { type: 'string' }, // PATH[:SIZE]; what is there is overwritten
    ballast: { type: 'string' }, // the program
    mib: { type: 'string', default: '64' }, // how much is written
  },
});
const gib = 1024n ** 3n;

function cannotRun() {
  if (process.getuid?.() !== 0) return 'root is needed to mount';
  for (const tool of ['mkfs.ext4', 'mkfs.xfs', 'blkid', 'dd']) {
    try {
      Programs.which(tool);
    } catch {
      return `${tool} is not installed (e2fsprogs, xfsprogs, util-linux)`;
    }
  }
  return undefined;
}

/** capabilities(7): ext4 asks for CAP_SYS_RESOURCE (bit 24) to grow while mounted; containers may lack it. */
function growsExt4() {
  const found = /^CapEff:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${found}`) >> 24n) & 1n) === 1n;
}

let stepsCount = 0;
async function step(what, work) {
  const began = performance.now();
  try {
    const told = await work();
    stepsCount += 1;
    const ms = Math.round(performance.now() - began);
    console.log(`ok ${String(stepsCount).padStart(2)}  ${what}${told ? `: ${told}` : ''} (${ms} ms)`);
  } catch (error) {
    console.log(`FAILED  ${what}: ${error.message}`);
    throw error;
  }
}

function expect(condition, what) {
  if (!condition) throw new Error(what);
}

async function demo(directory, programs) {
  const kubelet = join(directory, 'kubelet');
  mkdirSync(join(kubelet, 'pods'), { recursive: true });
  mkdirSync(join(kubelet, 'plugins'), { recursive: true });

  await step('daemon with a pool', () => programs.serve(options.pool));
  await step(`ballast csi --mode all --driver ${options.driver}`, () =>
    programs.csi(kubelet, options.driver),
  );
  const csi = new Orchestrator(programs.socket, kubelet);
  await step('who is there', async () => {
    const { name, vendorVersion } = await csi.identity('GetPluginInfo');
    const { ready } = await csi.identity('Probe');
    expect(ready?.value === true, 'the daemon does not answer');
    return `${name} ${vendorVersion}`;
  });
  await step('this node', async () => (await csi.learnNode()).nodeId);

  await step('create a volume of 1 GiB', async () => (await csi.create('data', gib)).volumeId);
  await step('publish, stage (ext4) and publish it on the node', () => csi.use('data'));
  const file = join(csi.target('data'), 'file');
  let digest;
  await step(`write ${options.mib} MiB`, () => {
    digest = writeData(file, Number(options.mib));
    return digest.slice(0, 16);
  });
  await step('snapshot', async () => (await csi.snapshot('data', 'monday')).snapshotId.slice(-12));
  await step('write more after the snapshot', () => void writeData(join(csi.target('data'), 'later'), 8));
  await step('a volume of the snapshot', () =>
    csi.create('restored', gib, { snapshot: 'monday' }).then(() => ''),
  );
  await step('a clone of the volume', () => csi.create('cloned', gib, { volume: 'data' }).then(() => ''));
  for (const name of ['restored', 'cloned']) {
    await step(`use and read back: ${name}`, async () => {
      await csi.use(name);
      expect(sha256(readAll(join(csi.target(name), 'file'))) === digest, 'it has other data');
      return 'the same data';
    });
  }
  await step('the snapshot has nothing of later', () => {
    let found = true;
    try {
      readAll(join(csi.target('restored'), 'later'));
    } catch {
      found = false;
    }
    expect(!found, 'the later file is in the snapshot');
  });

  const type = growsExt4() ? 'ext4' : 'xfs';
  const why = type === 'ext4' ? '' : ' (this machine gives no CAP_SYS_RESOURCE, which ext4 asks for)';
  await step(`a volume to grow, ${type}${why}`, () =>
    csi.create('grown', gib).then(() => csi.use('grown', { fsType: type })),
  );
  await step('expand it to 2 GiB while mounted', async () => {
    const sizeOf = () => {
      const { blocks, bsize } = statfsSync(csi.target('grown'), { bigint: true });
      return blocks * bsize;
    };
    const before = sizeOf();
    await csi.expand('grown', 2n * gib);
    expect(sizeOf() > before + (gib * 9n) / 10n, `the file system has ${sizeOf()} bytes`);
    return `${before >> 20n} MiB to ${sizeOf() >> 20n} MiB`;
  });

  await step('a raw block device', async () => {
    await csi.create('raw', gib);
    await csi.use('raw', { block: true });
    const written = writeData(csi.target('raw'), 4);
    expect(sha256(readAll(csi.target('raw'), 4)) === written, 'it reads other data');
    return 'written and read back';
  });

  let free;
  await step('4 KiB writes, one at a time, without a limit', () => {
    free = writesPerSecond(file, 400);
    return `${Math.round(free)} a second`;
  });
  // Well below what was measured, so that it is the limit that is seen, also on a busy machine.
  const limit = Math.max(10, Math.min(200, Math.floor(free / 4)));
  await step(`change the limit to ${limit} IOPS, live`, () => csi.modify('data', { iops: `${limit}` }));
  await step('the same writes', () => {
    writesPerSecond(file, limit * 2); // what the bucket held
    const limited = writesPerSecond(file, limit * 2);
    expect(limited < limit * 1.15, `${Math.round(limited)} a second`);
    return `${limited.toFixed(1)} a second`;
  });
  await step('take the limit away', () => csi.modify('data', { iops: '0' }));
  await step('the same writes again', () => {
    const again = writesPerSecond(file, 400);
    expect(again > limit * 1.5, `${Math.round(again)} a second`);
    return `${Math.round(again)} a second`;
  });

  await step('stats', async () => {
    const { usage, volumeCondition } = await csi.stats('data');
    expect(volumeCondition.abnormal === false, volumeCondition.message);
    const bytes = usage.find(({ unit }) => unit === 'BYTES');
    const [used, total] = [bytes.used, bytes.total].map((one) => BigInt(one) >> 20n);
    return `${used} of ${total} MiB used, ${volumeCondition.message}`;
  });
  await step('an ephemeral inline volume, from its pod to its end', async () => {
    await csi.useEphemeral('scratch', '512MiB');
    writeData(join(csi.target('scratch'), 'file'), 4);
    await csi.endEphemeral('scratch');
  });

  await step('unpublish and unstage all', () => csi.unuseAll());
  await step('delete the snapshot and the volumes', () => csi.deleteAll());
  await step('nothing is left', async () => {
    const left = [...(await csi.leftVolumes()), ...leftovers(directory)];
    expect(left.length === 0, left.join('; '));
    return 'no volume, mount, loop device or process';
  });
  csi.close();
  await step('SIGTERM ends both', () => programs.stop());
}

/** After a failure: the devices are dead, so nothing waits for what is on them. */
function takeAway(directory) {
  const images = join(directory, 'attach/');
  const mounts = mountsBelow(directory).reverse();
  for (const path of mounts.filter((one) => !one.startsWith(images))) Programs.try('umount', '--lazy', path);
  for (const name of loopsOf(directory)) Programs.try('losetup', '--detach', `/dev/${name}`);
  for (const path of mounts.filter((one) => one.startsWith(images))) Programs.try('umount', '--lazy', path);
  rmSync(directory, { recursive: true, force: true });
}

async function main() {
  const reason = cannotRun();
  if (reason !== undefined) {
    console.log(`SKIPPED: ${reason}`);
    return 77;
  }
  const directory = mkdtempSync(join(options.directory ?? tmpdir(), 'ballast-demo-'));
  const programs = new Programs(directory, options.ballast);
  try {
    await demo(directory, programs);
    console.log(`${stepsCount} steps, all ok`);
    return 0;
  } catch {
    console.log(programs.said());
    return 1;
  } finally {
    await programs.kill();
    takeAway(directory);
  }
}

process.exitCode = await main();
