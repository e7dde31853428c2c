import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FrozenDisks } from '../../../src/drills/frozen-disks.js';

const missing = await FrozenDisks.unavailable();
const because = missing === undefined ? '' : ` (skipped: ${missing})`;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ballast-disks-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const mounts = () => readFileSync('/proc/self/mounts', 'utf8');

describe.skipIf(missing !== undefined)(`disks that can be frozen${because}`, () => {
  it('let writes wait until they are thawed, and are gone when they are closed', async () => {
    const disks = new FrozenDisks(folder);
    try {
      const place = await disks.add('n1');
      expect(mounts()).toContain(place);
      await disks.freeze('n1');
      const writer = spawn('dd', ['if=/dev/zero', `of=${join(place, 'file')}`, 'bs=4096', 'count=1'], {
        stdio: 'ignore',
      });
      const ended = once(writer, 'exit');
      const first = await Promise.race([
        ended.then(() => 'written'),
        new Promise((resolve) => setTimeout(resolve, 300, 'waiting')),
      ]);
      expect(first).toBe('waiting');
      await disks.thaw('n1');
      expect(await ended).toEqual([0, null]);
      expect(existsSync(join(place, 'file'))).toBe(true);
      await disks.freeze('n1');
    } finally {
      await disks.close();
    }
    expect(mounts()).not.toContain(folder);
  });
});

it('has no disk that was not added', async () => {
  const disks = new FrozenDisks(folder);
  await expect(disks.freeze('n9')).rejects.toThrow("there is no disk of 'n9'");
  await disks.thaw('n9');
  await disks.close();
});
