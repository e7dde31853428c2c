// `ballast pool check` on real pools: after SIGKILL, with damage planted in the file of their device, in use,
// and on what is no pool. Without --repair the file stays as it was, byte for byte.
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../src/native/index.js';
import type { PoolCheckReport } from '../../src/native/pool-types.js';
import { ballast, type Target, Workspace } from '../support/ballast.js';

let workspace: Workspace;
let engine: Engine;
beforeEach(async () => {
  workspace = await Workspace.create();
  engine = await Engine.start({ onLog: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await workspace.remove();
});

const blockBytes = 4096;
const mib = 1 << 20;
const deviceBytes = 160 * mib;
const disk = () => workspace.path('disk');

interface Checked {
  readonly code: number | null;
  readonly report: PoolCheckReport;
  readonly stderr: string;
}

async function check(...options: string[]): Promise<Checked> {
  const { code, stdout, stderr } = await ballast(['pool', 'check', disk(), ...options, '-o', 'json']);
  return { code, report: JSON.parse(stdout.toString()) as PoolCheckReport, stderr };
}

const digest = async () => {
  const hash = createHash('sha256');
  await pipeline(createReadStream(disk()), hash);
  return hash.digest('hex');
};

async function command(...argv: string[]): Promise<void> {
  const environment = { BALLAST_DATA: workspace.path('state') };
  const { code, stderr } = await ballast([...argv, '-o', 'json'], { environment });
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit code ${code}: ${stderr}`);
}

async function serve(): Promise<Target> {
  const target = await workspace.serve();
  await target.api;
  return target;
}

async function withVolume<T>(
  target: Target,
  nqn: string,
  use: (volume: {
    read(lba: bigint, blocksCount: number): Promise<Buffer>;
    write(lba: bigint, data: Buffer): Promise<void>;
  }) => Promise<T>,
): Promise<T> {
  const controller = await engine.connect({
    host: '127.0.0.1',
    port: target.port,
    nqn,
    ctrlLossTimeoutMs: 0,
  });
  try {
    return await use(controller.namespaces[0]!);
  } finally {
    await controller.close();
  }
}

const slotsCount = 96;
const lbaOf = (slot: number) => BigInt((slot * mib) / blockBytes);

/** A daemon with a pool `p` and a volume `v` that has one block in each of its MiB, and a snapshot. */
async function servePool(): Promise<{ target: Target; nqn: string; data: Buffer }> {
  const target = await serve();
  await command('pool', 'create', 'p', '--device', `${disk()}:${deviceBytes}`);
  await command('volume', 'create', 'v', '--size', `${slotsCount}MiB`);
  await command('volume', 'snapshot', 'v', 's');
  const environment = { BALLAST_DATA: workspace.path('state') };
  const shown = await ballast(['volume', 'show', 'v', '-o', 'json'], { environment });
  const { nqn } = JSON.parse(shown.stdout.toString()) as { nqn: string };
  const data = randomBytes(blockBytes);
  await withVolume(target, nqn, async (volume) => {
    for (let slot = 0; slot < slotsCount; ++slot) await volume.write(lbaOf(slot), data);
  });
  return { target, nqn, data };
}

async function overwrite(offset: number, bytes: Buffer): Promise<void> {
  const file = await open(disk(), 'r+');
  try {
    await file.write(bytes, 0, bytes.length, offset);
    await file.sync();
  } finally {
    await file.close();
  }
}

// docs/formats/pool.md, "Tree page": magic, address, level and the keys of a leaf's entries.
function isLeafOfSlots(page: Buffer, offset: number): boolean {
  if (page.toString('latin1', 0, 4) !== 'BPTP' || page.readBigUInt64LE(8) !== BigInt(offset)) return false;
  if (page.readUInt8(44) !== 0) return false;
  const entries = page.readUInt16LE(46);
  for (let i = 0; i < entries; ++i) if (page.readUInt8(64 + 20 * i + 7) !== 7) return false;
  return entries > 0;
}

/** Where the pages are that hold nothing but places of data, also those that are not used any more. */
async function leavesOfSlots(): Promise<number[]> {
  const file = await open(disk(), 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(32 * mib), 0, 32 * mib, mib);
    const found: number[] = [];
    for (let at = 0; at < buffer.length; at += blockBytes) {
      if (isLeafOfSlots(buffer.subarray(at, at + blockBytes), mib + at)) found.push(mib + at);
    }
    return found;
  } finally {
    await file.close();
  }
}

describe('ballast pool check', () => {
  it('finds nothing wrong after SIGKILL, and writes nothing', async () => {
    const { target, nqn, data } = await servePool();
    await target.kill();
    const before = await digest();
    const { code, report, stderr } = await check();
    expect([code, stderr]).toEqual([0, '']);
    expect(report.name).toBe('p');
    expect(report.findings.filter(({ severity }) => severity !== 'note')).toEqual([]);
    expect(report.counters).toMatchObject({ devices: 1, superblockCopies: 4, volumes: 1, layers: 2 });
    expect(report.counters).toMatchObject({ slots: slotsCount, extentsUsed: slotsCount, extentsLeaked: 0 });
    expect(Number(report.counters.journalGroups)).toBeGreaterThan(0);
    expect(await digest()).toBe(before);
    const text = await ballast(['pool', 'check', disk()]);
    expect([text.code, text.stdout.toString()]).toEqual([
      0,
      expect.stringMatching(/^result +nothing wrong$/m),
    ]);
    expect(await digest()).toBe(before);
    const again = await serve();
    expect(await withVolume(again, nqn, (volume) => volume.read(lbaOf(7), 1))).toEqual(data);
    expect(await again.stop()).toBe(0);
  });

  it('repairs damaged copies of the superblock, and the pool opens', async () => {
    const { target, nqn, data } = await servePool();
    expect(await target.stop()).toBe(0);
    for (const offset of [0, deviceBytes - mib]) await overwrite(offset + 300, Buffer.from('spoiled'));
    const before = await digest();
    const found = await check();
    expect(found.code).toBe(1);
    expect(found.report.findings).toMatchObject(
      [
        {
          severity: 'warning',
          repair: 'safe',
          repaired: false,
          where: /superblock copy 0$/,
          what: 'is damaged',
        },
        {
          severity: 'warning',
          repair: 'safe',
          repaired: false,
          where: /superblock copy 2$/,
          what: 'is damaged',
        },
      ].map((finding) => ({ ...finding, where: expect.stringMatching(finding.where) })),
    );
    expect(found.stderr).toBe("ballast: check of pool 'p': 2 of 2 findings stay\n");
    expect(await digest()).toBe(before);

    const repaired = await check('--repair');
    expect([repaired.code, repaired.stderr]).toEqual([0, '']);
    expect(repaired.report.findings.map((finding) => finding.repaired)).toEqual([true, true]);
    const after = await check();
    expect([after.code, after.report.findings]).toEqual([0, []]);
    const again = await serve();
    expect(await withVolume(again, nqn, (volume) => volume.read(lbaOf(1), 1))).toEqual(data);
    expect(await again.stop()).toBe(0);
  });

  it('finds damaged metadata, says what it loses, and gives it up only when told so', async () => {
    const { target, nqn, data } = await servePool();
    expect(await target.stop()).toBe(0);
    const leaves = await leavesOfSlots();
    expect(leaves.length).toBeGreaterThan(0);
    for (const offset of leaves) await overwrite(offset + 2000, Buffer.from('spoiled'));
    const before = await digest();
    const found = await check();
    expect(found.code).toBe(1);
    const pages = found.report.findings.filter(({ where }) => where.startsWith('tree page '));
    expect(pages.length).toBeGreaterThan(0);
    expect(pages[0]).toMatchObject({ severity: 'error', repair: 'discards', repaired: false });
    expect(found.report.findings).toContainEqual(
      expect.objectContaining({ where: 'volume v', what: expect.stringMatching(/^data is lost /) }),
    );
    expect(await digest()).toBe(before);
    expect((await check('--repair')).code).toBe(1);

    const given = await check('--repair', '--discard-damaged');
    expect([given.code, given.stderr]).toEqual([0, '']);
    expect((await check()).report.findings).toEqual([]);
    const again = await serve();
    const blocks = await withVolume(again, nqn, async (volume) => {
      const read: Buffer[] = [];
      for (let slot = 0; slot < slotsCount; ++slot) read.push(await volume.read(lbaOf(slot), 1));
      return read;
    });
    const kept = blocks.filter((block) => block.equals(data));
    const zeroes = blocks.filter((block) => block.every((byte) => byte === 0));
    expect(kept.length + zeroes.length).toBe(slotsCount);
    expect(zeroes.length).toBeGreaterThan(0);
    expect(await again.stop()).toBe(0);
  });

  it('is refused while a daemon has the pool open', async () => {
    const target = await serve();
    await command('pool', 'create', 'p', '--device', `${disk()}:${deviceBytes}`);
    for (const options of [[], ['--repair']]) {
      const { code, stdout, stderr } = await ballast(['pool', 'check', disk(), ...options]);
      expect([code, stdout.toString()]).toEqual([1, '']);
      expect(stderr).toBe(`ballast: ${disk()}: is in use by another process or volume\n`);
    }
    expect(await target.stop()).toBe(0);
  });

  it('is a member of the engine, which says what it does not take', async () => {
    await expect(engine.checkPool([])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'paths' });
    const alone = engine.checkPool([disk()], { discardDamaged: true });
    await expect(alone).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'discardDamaged' });
    const device = { code: 'POOL_DEVICE', path: disk() };
    await expect(engine.checkPool([disk()])).rejects.toMatchObject(device);
    await engine.createPool({ name: 'p', devices: [{ path: disk(), sizeBytes: BigInt(deviceBytes) }] });
    await expect(engine.checkPool([disk()], { repair: true })).rejects.toMatchObject(device);
    await engine.closePool('p');
    const report = await engine.checkPool([disk()], { repair: true });
    expect(report).toMatchObject({ name: 'p', findings: [], findingsLeftOut: 0n });
    expect(report.counters).toMatchObject({ devices: 1, superblockCopies: 4, volumes: 0n, slots: 0n });
    await engine.openPool([disk()]);
  });

  it('says of a path that is no pool what it is, and leaves it alone', async () => {
    await writeFile(disk(), randomBytes(8 * mib));
    const before = await digest();
    for (const options of [[], ['--repair', '--discard-damaged']]) {
      const { code, report, stderr } = await check(...options);
      expect([code, stderr]).toEqual([1, 'ballast: check: 1 of 1 findings stay\n']);
      expect(report).toMatchObject({
        name: '',
        uuid: '',
        findings: [{ where: disk(), repair: 'impossible' }],
      });
      expect(await digest()).toBe(before);
    }
    await mkdir(workspace.path('folder'));
    for (const [name, reason] of [
      ['none', 'No such file or directory'],
      ['folder', 'is a directory'],
    ] as const) {
      const { code, stdout, stderr } = await ballast(['pool', 'check', workspace.path(name)]);
      expect([code, stdout.toString(), stderr]).toEqual([
        1,
        '',
        `ballast: ${workspace.path(name)}: ${reason}\n`,
      ]);
    }
  });
});
