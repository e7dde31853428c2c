// K22: what a pod has when its target goes away, when its file system is full, after an error of it, and when
// the process behind its device dies: on real devices, with both programs as processes.
import { existsSync, writeFileSync } from 'node:fs';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alive, run, startCommand } from '../support/commands.js';
import { mountWriter } from '../support/csi-client.js';
import { CsiMachine, missingForCsi, skippedForCsi, type Used } from '../support/csi-machine.js';

const mib = 1 << 20;
const waiting = { timeout: 30_000 };

let machine: CsiMachine;

const condition = async (used: Used) => (await machine.stats(used)).volumeCondition;
const usable = { abnormal: false, message: 'it can be used' };

async function writeDurably(path: string, data: Uint8Array | string): Promise<void> {
  const file = await open(path, 'w');
  await file.writeFile(data);
  await file.sync();
  await file.close();
}

describe.skipIf(missingForCsi.length > 0)(`a volume that a pod uses${skippedForCsi}`, () => {
  let used: Used;
  let directory: string;
  beforeEach(async () => {
    machine = await CsiMachine.create('1GiB');
    used = await machine.createVolume('v', 32 * mib, mountWriter);
    directory = await machine.use(used);
    expect(await condition(used)).toEqual(usable);
  });
  afterEach(() => machine.remove());

  it('K22: waits while its target is away, says so, and goes on without a new pod', async () => {
    const log = join(directory, 'log');
    // Each line is on stable media before the next is begun.
    const script = 'for i in $(seq 1 200); do echo "line $i" >> "$0" && sync "$0" || exit 1; done';
    let ended = false;
    const writing = startCommand('sh', '-c', script, log).finally(() => {
      ended = true;
    });
    const linesWritten = async () => (await readFile(log, 'utf8')).split('\n').length - 1;
    await expect.poll(() => existsSync(log) && linesWritten(), waiting).toBeGreaterThan(5);
    await machine.daemon.kill();
    await expect
      .poll(() => condition(used), waiting)
      .toEqual({
        abnormal: true,
        message: 'the target does not answer: I/O waits for it',
      });
    expect(ended).toBe(false);
    await machine.startDaemon();
    expect(await writing).toBe(0);
    expect(await linesWritten()).toBe(200);
    await expect.poll(() => condition(used), waiting).toEqual(usable);
    await machine.unuse(used);
    expect(await readFile(join(await machine.use(used), 'log'), 'utf8')).toMatch(/^(?:line \d+\n){200}$/);
  });

  it('K22: that is full is no trouble of the device: the writer hears it, and stats say it', async () => {
    await writeDurably(join(directory, 'small'), 'kept');
    const file = join(directory, 'large');
    expect(() => writeFileSync(file, Buffer.alloc(64 * mib))).toThrow('ENOSPC');
    const { usage, volumeCondition } = await machine.stats(used);
    expect(volumeCondition).toEqual(usable);
    const bytes = usage.find(({ unit }: { unit: string }) => unit === 'BYTES');
    expect(Number(bytes.available)).toBeLessThan(mib);
    await rm(file);
    await writeDurably(join(directory, 'again'), Buffer.alloc(mib));
    expect(await readFile(join(directory, 'small'), 'utf8')).toBe('kept');
  });

  it('K22: that became read-only after an error says so, and is repaired for the next pod', async () => {
    await machine.unuse(used);
    const volumeCapability = {
      mount: { mountFlags: ['errors=remount-ro'] },
      accessMode: { mode: 'SINGLE_NODE_WRITER' },
    };
    used = { ...used, volumeCapability };
    directory = await machine.use(used);
    await writeDurably(join(directory, 'file'), 'kept');
    // The file system finds an error, as it would in a block that has become bad.
    await writeFile(`/sys/fs/ext4/${deviceName(directory)}/trigger_fs_error`, 'injected');
    await expect
      .poll(() => condition(used), waiting)
      .toMatchObject({
        abnormal: true,
        message: /^the file system has become read-only after an error/,
      });
    expect(() => writeFileSync(join(directory, 'more'), 'x')).toThrow('EROFS');
    await machine.unuse(used);
    directory = await machine.use(used);
    expect(await condition(used)).toEqual(usable);
    expect(await readFile(join(directory, 'file'), 'utf8')).toBe('kept');
    await writeDurably(join(directory, 'more'), 'x');
  });

  it('K22: whose device died is dead until its pod ends, and has its data for the next', async () => {
    await writeDurably(join(directory, 'file'), 'kept');
    const server = machine.serverOf(used) ?? 0;
    process.kill(server, 'SIGKILL');
    await expect.poll(() => alive(server), waiting).toBe(false);
    expect(await condition(used)).toEqual({
      abnormal: true,
      message: 'the device is dead: its I/O fails',
    });
    await machine.unuse(used);
    directory = await machine.use(used);
    expect(await condition(used)).toEqual(usable);
    expect(await readFile(join(directory, 'file'), 'utf8')).toBe('kept');
    await machine.unuse(used);
    await machine.deleteVolume(used);
    expect(await machine.leftOnNode()).toEqual([]);
  });
});

/** Of what is mounted there. */
function deviceName(directory: string): string {
  return basename(run('findmnt', '--noheadings', '--nofsroot', '--output', 'SOURCE', directory).trim());
}
