// Encrypted volumes as a service: their keys reach the engine and nobody else, locked ones keep no other from
// being served, rotation goes on after a crash at any point, a discarded key is gone.
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PoolFailedError } from '../../../src/base/pool-errors.js';
import { KeyCommand } from '../../../src/keys/key-command.js';
import { VolumeKeys } from '../../../src/keys/volume-keys.js';
import { newSystemKey, writeKeyCommand } from '../../support/key-command.js';
import { gib, PoolHarness } from '../../support/pool-harness.js';

let world: PoolHarness;
let file: string;
beforeEach(async () => {
  world = new PoolHarness();
  file = join(world.directory, 'volume-keys');
  await world.start();
  await world.pool();
});
afterEach(() => world.close());

const code = (expected: string) => expect.objectContaining({ code: expected });
const failure = new PoolFailedError('engine', 'EIO');
const wrapped = (name: string) => world.engine.volume('p', name).info.wrappedKey;
const encrypted = (name: string) => world.volume(name, { encrypted: true });
const unwrap = (name: string) => new VolumeKeys(world.provider).unwrap(wrapped(name)!);

describe('an encrypted volume', () => {
  it('has a key of its own, which the engine gets and the daemon forgets', async () => {
    await encrypted('a');
    await encrypted('b');
    await world.volume('plain');
    const [a, b] = [world.engine.keys.get('a')!, world.engine.keys.get('b')!];
    expect([a.length, a.equals(b), a.equals(await unwrap('a'))]).toEqual([64, false, true]);
    expect(world.engine.keys.has('plain')).toBe(false);
    const given = world.engine.volumes.find(({ name }) => name === 'a')?.key;
    expect(Buffer.from(given!)).toEqual(Buffer.alloc(64));
    expect(world.service.volumes.find('a')).toMatchObject({ encrypted: true, state: 'serving' });
    expect(Object.keys(world.service.volumes.find('a')!.info)).not.toContain('wrappedKey');
    expect(world.service.volumes.find('plain')?.keyId).toBeUndefined();
  });

  it('is served again after a restart, with the same key', async () => {
    await encrypted('a');
    const before = world.engine.keys.get('a');
    await world.start();
    expect(world.engine.keys.get('a')).toEqual(before);
  });

  it('is locked without its key, keeps no other from being served, and can be served later', async () => {
    await encrypted('a');
    await world.volume('plain');
    const key = await readFile(file);
    await rm(file);
    await world.start();
    expect(world.served()).toEqual(['plain']);
    expect(world.service.volumes.find('a')).toMatchObject({
      state: 'locked',
      error: `key file ${file}: does not exist; restore it from a copy`,
    });
    await expect(world.service.volumes.serve('a')).rejects.toEqual(code('KEY_UNAVAILABLE'));
    await writeFile(file, key, { mode: 0o600 });
    expect(await world.service.volumes.serve('a')).toMatchObject({ state: 'serving' });
    expect((await world.service.volumes.serve('a')).error).toBeUndefined();
  });

  it('is not made where no key can be had', async () => {
    await world.provider.currentKeyId();
    await chmod(file, 0o644);
    await expect(encrypted('a')).rejects.toEqual(code('KEY_UNAVAILABLE'));
    expect(world.changes()).not.toContain('createPoolVolume p a');
    await chmod(file, 0o600);
    await encrypted('a');
  });

  it('has clones that share its key', async () => {
    await encrypted('a');
    await world.service.snapshots.create([{ volume: 'a', name: 's' }]);
    const clone = await world.service.volumes.create({
      name: 'c',
      source: { volume: 'a', snapshot: 's' },
      encrypted: true,
    });
    expect(clone.encrypted).toBe(true);
    expect(world.engine.keys.get('c')).toEqual(world.engine.keys.get('a'));
  });
});

describe('discarding a key', () => {
  beforeEach(() => encrypted('a'));

  it('ends serving the volume, for good', async () => {
    world.changes();
    const erased = await world.service.volumes.eraseKey('a');
    expect(erased).toMatchObject({ state: 'erased', encrypted: true });
    expect(erased.keyId).toBeUndefined();
    expect(world.changes()).toEqual(['removeVolume a', 'setPoolVolumeKey p a none']);
    await world.start();
    expect([world.served(), world.service.volumes.find('a')?.state]).toEqual([[], 'erased']);
    await expect(world.service.volumes.serve('a')).rejects.toThrow('cannot be read any more');
    expect(await world.service.volumes.eraseKey('a')).toMatchObject({ state: 'erased' });
    await world.service.volumes.delete('a', { cryptoErase: true });
    expect(world.service.volumes.list()).toEqual([]);
  });

  it('is refused for a plain volume, which stays', async () => {
    await world.volume('plain');
    await expect(world.service.volumes.eraseKey('plain')).rejects.toEqual(code('INVALID_ARGUMENT'));
    const deleted = world.service.volumes.delete('plain', { cryptoErase: true });
    await expect(deleted).rejects.toThrow("an encrypted volume; 'plain' is not");
    expect(world.served()).toEqual(['a', 'plain']);
  });

  it('says whose clones can still be read, and needs force then', async () => {
    await world.service.snapshots.create([{ volume: 'a', name: 's' }]);
    await world.service.volumes.create({ name: 'c', source: { volume: 'a', snapshot: 's' } });
    await encrypted('other');
    const erased = world.service.volumes.eraseKey('a');
    await expect(erased).rejects.toThrow("volume 'a': 'c' can still be read with the same key");
    expect(world.served()).toEqual(['a', 'c', 'other']);
    await world.service.volumes.eraseKey('a', { force: true });
    const source = { volume: 'a', snapshot: 's' };
    const clone = world.service.volumes.create({ name: 'd', source });
    await expect(clone).rejects.toEqual(code('KEY_UNAVAILABLE'));
    await world.service.volumes.eraseKey('c');
    expect(world.served()).toEqual(['other']);
  });

  it('that fails serves on', async () => {
    world.engine.fail('setPoolVolumeKey', failure);
    await expect(world.service.volumes.eraseKey('a')).rejects.toThrow('EIO');
    expect([world.served(), world.service.volumes.find('a')?.state]).toEqual([['a'], 'serving']);
  });

  it('comes before the deletion, and stays done when that fails', async () => {
    world.engine.fail('deletePoolVolume', failure);
    await expect(world.service.volumes.delete('a', { cryptoErase: true })).rejects.toThrow('EIO');
    expect([world.served(), world.service.volumes.find('a')?.state]).toEqual([[], 'erased']);
  });
});

describe('rotation', () => {
  const names = ['a', 'b', 'c'];
  beforeEach(async () => {
    for (const name of names) await encrypted(name);
    await world.volume('plain');
  });
  const keyIds = () => names.map((name) => world.service.volumes.find(name)?.keyId);

  it('wraps all keys with a new one, keeps the old, and interrupts nobody', async () => {
    const [old] = keyIds();
    const dataKeys = await Promise.all(names.map(unwrap));
    world.changes();
    const { keyId, rewrapped, left, dropped } = await world.service.rotation.rotate();
    expect([rewrapped, left, dropped]).toEqual([3, [], 0]);
    expect(keyIds()).toEqual([keyId, keyId, keyId]);
    expect(keyId).not.toBe(old);
    expect(world.changes()).toEqual(names.map((name) => `setPoolVolumeKey p ${name} `.trim()));
    expect(await Promise.all(names.map(unwrap))).toEqual(dataKeys);
    expect((await stat(file)).size).toBe(64);
    expect(await world.service.rotation.use()).toEqual({
      provider: 'file',
      name: `key file ${file}`,
      rotating: false,
      keys: [{ keyId, volumes: 3 }],
    });
    await world.start();
    expect(world.served()).toEqual(['a', 'b', 'c', 'plain']);
  });

  it('drops the old keys when told, and makes a further key each time', async () => {
    const first = await world.service.rotation.rotate();
    const second = await world.service.rotation.rotate({ dropOld: true });
    expect([second.rewrapped, second.dropped, (await stat(file)).size]).toEqual([3, 2, 32]);
    expect(second.keyId).not.toBe(first.keyId);
    await world.start();
    expect(world.served()).toEqual(['a', 'b', 'c', 'plain']);
  });

  it.each([1, 2, 3])('goes on after a crash at volume %i, with the same new key', async (at) => {
    const { setPoolVolumeKey } = world.engine;
    let count = 0;
    world.engine.setPoolVolumeKey = (...args) => {
      count += 1;
      if (count === at) world.engine.crashAfter('setPoolVolumeKey');
      return setPoolVolumeKey.apply(world.engine, args);
    };
    void world.service.rotation.rotate({ dropOld: true });
    await world.crashed();
    await world.start();
    expect(world.served()).toEqual(['a', 'b', 'c', 'plain']);
    expect(await world.service.rotation.use()).toMatchObject({ rotating: true });
    const again = await world.service.rotation.rotate({ dropOld: true });
    expect([again.rewrapped, again.dropped, again.left]).toEqual([3 - at, 1, []]);
    expect(new Set(keyIds())).toEqual(new Set([again.keyId]));
    expect((await stat(file)).size).toBe(32);
    expect((await world.service.rotation.use()).rotating).toBe(false);
  });

  it('makes one key only when it died before or after making it', async () => {
    const provider = world.provider as KeyProviderWithAdd;
    const { addKey } = provider;
    for (const first of [true, false]) {
      provider.addKey = async () => {
        if (!first) await addKey.call(provider);
        world.engine.calls.push('crash');
        return new Promise(() => undefined);
      };
      const { size } = await stat(file);
      void world.service.rotation.rotate();
      await world.crashed();
      provider.addKey = addKey;
      await world.start();
      expect(await world.service.rotation.rotate()).toMatchObject({ rewrapped: 3, left: [] });
      expect((await stat(file)).size).toBe(size + 32);
    }
  });

  it('tells what it could not reach, keeps the old keys for it, and goes on later', async () => {
    const path = join(world.directory, 'p.disk');
    await world.pool('q');
    await world.volume('d', { pool: 'q', encrypted: true });
    const device = world.disks.devices.get(path)!;
    world.disks.devices.delete(path);
    await world.start();
    const first = await world.service.rotation.rotate({ dropOld: true });
    expect(first).toMatchObject({ rewrapped: 1, dropped: 0, left: [{ pool: 'p' }] });
    world.disks.devices.set(path, device);
    await world.service.pools.import([path]);
    expect(world.served()).toEqual(['a', 'b', 'c', 'd', 'plain']);
    world.engine.fail('setPoolVolumeKey', failure);
    const second = await world.service.rotation.rotate({ dropOld: true });
    expect(second).toMatchObject({ keyId: first.keyId, rewrapped: 2, dropped: 0 });
    expect(second.left).toEqual([{ pool: 'p', volume: 'a', reason: 'engine: EIO' }]);
    const third = await world.service.rotation.rotate({ dropOld: true });
    expect(third).toMatchObject({ keyId: first.keyId, rewrapped: 1, dropped: 1, left: [] });
  });

  it('leaves volumes alone whose key was discarded', async () => {
    await world.service.volumes.eraseKey('a');
    expect(await world.service.rotation.rotate()).toMatchObject({ rewrapped: 2, left: [] });
    expect(wrapped('a')).toHaveLength(0);
  });

  it('of a key command takes what is current there', async () => {
    await world.service.volumes.delete('a');
    await world.service.volumes.delete('b');
    await world.service.volumes.delete('c');
    world.provider = new KeyCommand(await writeKeyCommand(world.directory));
    await world.start();
    await world.service.volumes.create({ name: 'a', sizeBytes: gib, encrypted: true });
    const dataKey = await unwrap('a');
    expect(await world.service.rotation.rotate()).toMatchObject({ rewrapped: 0, left: [] });
    const keyId = newSystemKey(world.directory);
    expect(await world.service.rotation.rotate()).toMatchObject({ keyId, rewrapped: 1, left: [] });
    expect(await unwrap('a')).toEqual(dataKey);
    await expect(world.service.rotation.rotate({ dropOld: true })).rejects.toEqual(code('INVALID_ARGUMENT'));
  });
});

interface KeyProviderWithAdd {
  addKey(): Promise<void>;
}
