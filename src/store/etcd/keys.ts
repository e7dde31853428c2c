// Keys of the store as keys of etcd, below a prefix that other users of the same etcd do not have.
import { InvalidArgumentError } from '../../base/errors.js';
import { etcdPrefixPattern } from '../../base/store-source.js';

/** From `key` to before `rangeEnd`. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export class EtcdKeys {
  constructor(readonly prefix: string) {
    if (!etcdPrefixPattern.test(prefix)) {
      throw new InvalidArgumentError('prefix', '1 to 128 printable ASCII characters, no space');
    }
  }

  encode(key: string): Buffer {
    return Buffer.from(this.prefix + key, 'latin1');
  }

  /** All keys that begin so. */
  range(prefix: string): KeyRange {
    const key = this.encode(prefix);
    const rangeEnd = Buffer.from(key);
    // Printable ASCII, so the last byte can always grow by one.
    const last = rangeEnd.length - 1;
    rangeEnd.writeUInt8(rangeEnd.readUInt8(last) + 1, last);
    return { key, rangeEnd };
  }

  /** The first key after another. */
  next(key: string): Buffer {
    return Buffer.concat([this.encode(key), Buffer.of(0)]);
  }

  decode(key: Uint8Array): string {
    return Buffer.from(key.buffer, key.byteOffset, key.byteLength)
      .toString('latin1')
      .slice(this.prefix.length);
  }
}
