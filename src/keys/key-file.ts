// The key-encryption keys in a file: 32 random bytes each, one after another, the last is the current one.
// The file is made at its first use, readable by its owner only, and replaced as a whole. A key is named by
// a fingerprint, so the file needs no other content. Keys are in memory only while they are used.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomically } from '../base/atomic-file.js';
import { KeyedLock } from '../base/keyed-lock.js';
import { KeyUnavailableError } from '../base/pool-errors.js';
import type { KeyProvider, WrappedKey } from './types.js';

export const keyBytes = 32;
export const keysMax = 64;
const othersMode = 0o077;
const cipherName = 'id-aes256-wrap-pad';
// RFC 5649, "Alternative Initial Value".
const initialValue = Buffer.from('a65959a6', 'hex');

export class KeyFile implements KeyProvider {
  readonly kind = 'file';
  readonly #lock = new KeyedLock();

  constructor(readonly path: string) {}

  get name(): string {
    return `key file ${this.path}`;
  }

  currentKeyId(): Promise<string> {
    return this.#withKeys(true, (keys) => keyIdOf(last(keys)));
  }

  wrap(dataKey: Uint8Array): Promise<WrappedKey> {
    return this.#withKeys(true, (keys) => {
      const cipher = createCipheriv(cipherName, last(keys), initialValue);
      const wrapped = Buffer.concat([cipher.update(dataKey), cipher.final()]);
      return { keyId: keyIdOf(last(keys)), wrapped };
    });
  }

  unwrap({ keyId, wrapped }: WrappedKey): Promise<Buffer> {
    return this.#withKeys(false, (keys) => {
      const key = keys.find((one) => keyIdOf(one) === keyId);
      if (key === undefined) throw this.#unavailable(`does not have the key ${keyId}`);
      try {
        const cipher = createDecipheriv(cipherName, key, initialValue);
        return Buffer.concat([cipher.update(wrapped), cipher.final()]);
      } catch {
        throw this.#unavailable(`cannot unwrap with ${keyId}: what was wrapped is damaged`);
      }
    });
  }

  addKey(): Promise<void> {
    return this.#change((keys) => {
      if (keys.length >= keysMax) throw this.#unavailable(`has ${keysMax} keys already; drop the old ones`);
      return [...keys, randomBytes(keyBytes)];
    });
  }

  async dropOldKeys(): Promise<number> {
    let dropped = 0;
    await this.#change((keys) => {
      dropped = keys.length - 1;
      return [last(keys)];
    });
    return dropped;
  }

  /** `make`: the file, where there is none. */
  #withKeys<T>(make: boolean, use: (keys: readonly Buffer[]) => T): Promise<T> {
    return this.#lock.exclusive('', async () => {
      const content = (await this.#read()) ?? (make ? await this.#make() : undefined);
      if (content === undefined) throw this.#unavailable('does not exist; restore it from a copy');
      try {
        return use(split(content));
      } finally {
        content.fill(0);
      }
    });
  }

  #change(next: (keys: readonly Buffer[]) => readonly Buffer[]): Promise<void> {
    return this.#lock.exclusive('', async () => {
      const content = (await this.#read()) ?? (await this.#make());
      let changed: Buffer | undefined;
      try {
        const keys = next(split(content));
        changed = Buffer.concat(keys);
        for (const key of keys) key.fill(0);
        await this.#write(changed);
      } finally {
        content.fill(0);
        changed?.fill(0);
      }
    });
  }

  async #make(): Promise<Buffer> {
    const key = randomBytes(keyBytes);
    await this.#write(key);
    return key;
  }

  async #write(content: Buffer): Promise<void> {
    try {
      await mkdir(dirname(this.path), { recursive: true });
      await writeFileAtomically(this.path, content, 0o600);
    } catch (cause) {
      throw this.#unavailable(`cannot be written (${(cause as NodeJS.ErrnoException).code})`, cause);
    }
  }

  async #read(): Promise<Buffer | undefined> {
    let file: FileHandle;
    try {
      file = await open(this.path, 'r');
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      throw this.#unavailable(`cannot be read (${code})`, cause);
    }
    try {
      const { mode, size } = await file.stat(); // of what is open: a name can be given to another file
      if ((mode & othersMode) !== 0) {
        const octal = (mode & 0o777).toString(8).padStart(4, '0');
        throw this.#unavailable(`has mode ${octal} instead of 0600: others may have read it`);
      }
      if (size === 0 || size % keyBytes !== 0 || size > keyBytes * keysMax) {
        throw this.#unavailable(`has ${size} bytes, not 1 to ${keysMax} keys of ${keyBytes} bytes`);
      }
      const content = Buffer.alloc(size);
      const { bytesRead } = await file.read(content, 0, size, 0);
      if (bytesRead !== size) throw this.#unavailable('was changed while it was read');
      return content;
    } finally {
      await file.close();
    }
  }

  #unavailable(reason: string, cause?: unknown): KeyUnavailableError {
    return new KeyUnavailableError(this.name, reason, { cause });
  }
}

/** Views of the content, not copies: overwriting it overwrites them. */
function split(content: Buffer): readonly Buffer[] {
  const count = content.length / keyBytes;
  return Array.from({ length: count }, (_, index) =>
    content.subarray(index * keyBytes, (index + 1) * keyBytes),
  );
}

function last(keys: readonly Buffer[]): Buffer {
  return keys[keys.length - 1] ?? Buffer.alloc(0);
}

// Of 256 random bits nothing can be guessed from a hash.
function keyIdOf(key: Buffer): string {
  return createHash('sha256').update('ballast key id').update(key).digest('hex').slice(0, 32);
}
