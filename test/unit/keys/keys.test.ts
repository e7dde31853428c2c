// Keys: both providers under the contract, what is refused, that no key is left in memory that we gave out.
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDataKey, makeDataKey } from '../../../src/keys/data-key.js';
import { decodeEnvelope, encodeEnvelope } from '../../../src/keys/envelope.js';
import { KeyCommand } from '../../../src/keys/key-command.js';
import { KeyFile } from '../../../src/keys/key-file.js';
import { VolumeKeys } from '../../../src/keys/volume-keys.js';
import { FakeClock } from '../../support/fake-clock.js';
import { writeKeyCommand } from '../../support/key-command.js';
import { providerContract } from './contract.js';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ballast-keys-'));
  path = join(directory, 'state', 'volume-keys');
});
afterEach(() => rm(directory, { recursive: true }));

const unavailable = expect.objectContaining({ code: 'KEY_UNAVAILABLE' });

providerContract('a key file', async () => new KeyFile(path));
providerContract('a key command', async () => new KeyCommand(await writeKeyCommand(directory)));

describe('a data key', () => {
  it('is two different AES-256 keys', () => {
    expect(isDataKey(makeDataKey())).toBe(true);
    const half = randomBytes(32);
    expect(isDataKey(Buffer.concat([half, half]))).toBe(false);
    expect(isDataKey(randomBytes(63))).toBe(false);
  });

  it('that is none is refused after unwrapping', async () => {
    const provider = new KeyFile(path);
    const half = randomBytes(32);
    const { keyId, wrapped } = await provider.wrap(Buffer.concat([half, half]));
    const envelope = encodeEnvelope({ kind: 'file', keyId, dataKeyId: '00'.repeat(16), wrapped });
    await expect(new VolumeKeys(provider).unwrap(envelope)).rejects.toThrow('no data key');
  });
});

describe('what the pool keeps', () => {
  it('is decoded as it was encoded', () => {
    const text = fc.string({ minLength: 1, maxLength: 200, unit: fc.constantFrom(...'abcXYZ019:/+-_') });
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(
        fc.constantFrom('file' as const, 'command' as const),
        text,
        bytes(16),
        fc.uint8Array({ minLength: 1, maxLength: 800 }),
        (kind, keyId, id, wrapped) => {
          const envelope = { kind, keyId, dataKeyId: Buffer.from(id).toString('hex'), wrapped };
          const decoded = decodeEnvelope(encodeEnvelope(envelope));
          expect({ ...decoded, wrapped: Uint8Array.from(decoded.wrapped) }).toEqual(envelope);
        },
      ),
    );
  });

  it('is refused when it is anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(() => decodeEnvelope(bytes)).toThrow('is damaged, or of a later version');
      }),
    );
    const good = encodeEnvelope({
      kind: 'file',
      keyId: 'k',
      dataKeyId: '00'.repeat(16),
      wrapped: randomBytes(72),
    });
    for (let length = 0; length < good.length; length += 1) {
      expect(() => decodeEnvelope(good.subarray(0, length))).toThrow('damaged');
    }
    expect(() => decodeEnvelope(Buffer.concat([good, Buffer.alloc(1)]))).toThrow('damaged');
  });

  it('does not go over 1,024 bytes', () => {
    const wrapped = randomBytes(1001);
    expect(() =>
      encodeEnvelope({ kind: 'command', keyId: 'k', dataKeyId: '00'.repeat(16), wrapped }),
    ).toThrow('too long');
  });

  it('of another kind is not given to this one', async () => {
    const command = new VolumeKeys(new KeyCommand(await writeKeyCommand(directory)));
    const wrapped = await command.make();
    await expect(new VolumeKeys(new KeyFile(path)).unwrap(wrapped)).rejects.toThrow('by a key command');
  });
});

describe('a key file', () => {
  it('is made at first use, for its owner only, and stays', async () => {
    const wrapped = await new VolumeKeys(new KeyFile(path)).make();
    const { mode, size } = await stat(path);
    expect([mode & 0o777, size]).toEqual([0o600, 32]);
    expect(await new VolumeKeys(new KeyFile(path)).unwrap(wrapped)).toHaveLength(64);
    expect((await stat(path)).size).toBe(32);
  });

  it('is not made to unwrap', async () => {
    const keys = new VolumeKeys(new KeyFile(path));
    const wrapped = await keys.make();
    await rm(path);
    await expect(keys.unwrap(wrapped)).rejects.toThrow('does not exist; restore it from a copy');
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('is refused when others could have read it, when its size is odd, when it is none', async () => {
    const provider = new KeyFile(path);
    await provider.currentKeyId();
    await chmod(path, 0o640);
    await expect(provider.currentKeyId()).rejects.toThrow('has mode 0640 instead of 0600');
    await chmod(path, 0o600);
    for (const size of [0, 31, 33, 32 * 65]) {
      await truncate(path, size);
      await expect(provider.wrap(makeDataKey())).rejects.toThrow(`has ${size} bytes`);
    }
    await expect(new KeyFile(directory).currentKeyId()).rejects.toEqual(unavailable);
    await expect(new KeyFile(join(path, 'x')).currentKeyId()).rejects.toEqual(unavailable);
  });

  it('takes further keys, the last wraps, and forgets the others when told', async () => {
    const provider = new KeyFile(path);
    const keys = new VolumeKeys(provider);
    const first = await keys.make();
    const before = await readFile(path);
    await provider.addKey();
    const after = await readFile(path);
    expect([after.length, after.subarray(0, 32).equals(before)]).toEqual([64, true]);
    const second = await keys.rewrap(first);
    expect(keys.describe(second)).toEqual({
      keyId: await provider.currentKeyId(),
      dataKeyId: keys.describe(first).dataKeyId,
    });
    expect(await keys.unwrap(second)).toEqual(await keys.unwrap(first));
    expect(await provider.dropOldKeys()).toBe(1);
    expect(await readFile(path)).toEqual(after.subarray(32));
    await expect(keys.unwrap(first)).rejects.toThrow(`does not have the key ${keys.describe(first).keyId}`);
    expect(await keys.unwrap(second)).toHaveLength(64);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('has an end', async () => {
    await new KeyFile(path).currentKeyId();
    await writeFile(path, randomBytes(32 * 64));
    await expect(new KeyFile(path).addKey()).rejects.toThrow('has 64 keys already');
  });
});

describe('a key command', () => {
  const command = async (script: string, timeoutMs?: number) =>
    new KeyCommand(await writeKeyCommand(directory, script), timeoutMs);
  const key = { keyId: 'k', wrapped: Buffer.from('x') };

  it.each([
    ['answers nothing', 'cat > /dev/null', 'did not answer a JSON object'],
    ['answers no object', 'echo "[1]"', 'did not answer a JSON object'],
    ['fails', 'cat > /dev/null; exit 3', 'ended with exit code 3'],
    ['kills itself', 'kill -TERM $$', 'ended with SIGTERM'],
    ['says why not', `echo '{"error":"no such\\u0007 key"}'; exit 1`, 'no such  key'],
    ['refuses in peace', `echo '{"error":"no such key"}'`, 'refused: no such key'],
    ['answers no key', `echo '{"key":5}'`, 'answered no key in base64'],
    ['answers a short key', `echo '{"key":"AAAA"}'`, 'that does not have 64 bytes'],
    ['answers too much', 'head -c 100000 /dev/zero', 'answered more than 16384 bytes'],
  ])('that %s is an error that says so', async (_what, script, reason) => {
    const unwrapped = (await command(script)).unwrap(key);
    await expect(unwrapped).rejects.toThrow(reason);
    await expect(unwrapped).rejects.toEqual(unavailable);
  });

  it('that answers no key id cannot wrap', async () => {
    const provider = await command(`echo '{"wrapped":"AAAA","keyId":"a b"}'`);
    await expect(provider.wrap(makeDataKey())).rejects.toThrow('answered no keyId');
  });

  it('that does not exist, or cannot be run, is an error', async () => {
    await expect(new KeyCommand('/no/such').unwrap(key)).rejects.toThrow('cannot be started (ENOENT)');
    await expect(new KeyCommand(directory).unwrap(key)).rejects.toThrow('cannot be started (EACCES)');
  });

  it('that hangs ends with all it started', async () => {
    const provider = await command(`sleep 1000 & echo $! > ${directory}/pid; wait`, 300);
    await expect(provider.unwrap(key)).rejects.toThrow('did not answer in 0.3 s');
    const pid = Number(await readFile(join(directory, 'pid'), 'utf8'));
    const gone = async (): Promise<boolean> => {
      const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      return state === '' || state.includes(') Z ');
    };
    while (!(await gone())) await new Promise((resolve) => setImmediate(resolve));
  });

  it('that does not answer is not asked again for a while', async () => {
    const clock = new FakeClock();
    const path = await writeKeyCommand(directory, `echo x >> ${directory}/asked; sleep 1000`);
    const provider = new KeyCommand(path, 300, clock);
    const asked = async () => (await readFile(join(directory, 'asked'), 'utf8')).length / 2;
    for (let count = 0; count < 3; count += 1) {
      await expect(provider.unwrap(key)).rejects.toThrow('did not answer in 0.3 s');
    }
    expect(await asked()).toBe(1);
    clock.advance(5_000);
    await expect(provider.unwrap(key)).rejects.toThrow('did not answer in 0.3 s');
    expect(await asked()).toBe(2);
  });

  it('finds no key in its arguments or its environment', async () => {
    const provider = await command(
      `tr '\\0' '\\n' < /proc/$$/cmdline > ${directory}/seen; env >> ${directory}/seen; ` +
        `cat > ${directory}/asked; echo '{"keyId":"k","wrapped":"AAAA"}'`,
    );
    const dataKey = makeDataKey();
    await provider.wrap(dataKey);
    const seen = await readFile(join(directory, 'seen'), 'utf8');
    const asked = JSON.parse(await readFile(join(directory, 'asked'), 'utf8'));
    expect(asked).toEqual({ version: 1, operation: 'wrap', key: dataKey.toString('base64') });
    for (const form of ['base64', 'hex'] as const)
      expect(seen).not.toContain(dataKey.toString(form).slice(0, 20));
  });
});
