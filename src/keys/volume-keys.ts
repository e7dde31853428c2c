// Data keys of volumes, made and wrapped, unwrapped for the moment in which a volume begins to be served.
// Called by src/pools; the provider behind it is chosen in src/main.
import { randomBytes } from 'node:crypto';
import { KeyUnavailableError } from '../base/pool-errors.js';
import { isDataKey, makeDataKey } from './data-key.js';
import { decodeEnvelope, encodeEnvelope } from './envelope.js';
import type { KeyFacts, KeyProvider } from './types.js';

export class VolumeKeys {
  constructor(readonly provider: KeyProvider) {}

  /** A new data key, wrapped, as the pool keeps it. */
  async make(): Promise<Uint8Array> {
    const dataKey = makeDataKey();
    try {
      return await this.#wrap(dataKey, randomBytes(16).toString('hex'));
    } finally {
      dataKey.fill(0);
    }
  }

  /** The caller overwrites it when the engine has it. */
  async unwrap(wrappedKey: Uint8Array): Promise<Buffer> {
    const envelope = decodeEnvelope(wrappedKey);
    if (envelope.kind !== this.provider.kind) {
      throw new KeyUnavailableError(this.provider.name, `this key was wrapped by a key ${envelope.kind}`);
    }
    const dataKey = await this.provider.unwrap(envelope);
    if (isDataKey(dataKey)) return dataKey;
    dataKey.fill(0);
    throw new KeyUnavailableError(this.provider.name, 'what was unwrapped is no data key');
  }

  /** The same data key under the current key-encryption key. */
  async rewrap(wrappedKey: Uint8Array): Promise<Uint8Array> {
    const dataKey = await this.unwrap(wrappedKey);
    try {
      return await this.#wrap(dataKey, decodeEnvelope(wrappedKey).dataKeyId);
    } finally {
      dataKey.fill(0);
    }
  }

  describe(wrappedKey: Uint8Array): KeyFacts {
    const { keyId, dataKeyId } = decodeEnvelope(wrappedKey);
    return { keyId, dataKeyId };
  }

  async #wrap(dataKey: Uint8Array, dataKeyId: string): Promise<Uint8Array> {
    const { kind } = this.provider;
    return encodeEnvelope({ kind, dataKeyId, ...(await this.provider.wrap(dataKey)) });
  }
}
