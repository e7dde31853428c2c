// What wraps the data keys of encrypted volumes: a key-encryption key in a file, or a key management system
// behind a program. Every implementation passes the suite of test/unit/keys/contract.ts.

export interface WrappedKey {
  /** Of the key-encryption key; 1 to 200 printable ASCII characters. Not a secret. */
  readonly keyId: string;
  readonly wrapped: Uint8Array;
}

export interface KeyProvider {
  readonly kind: 'file' | 'command';
  /** For messages, such as "key file /etc/ballast/key". */
  readonly name: string;
  /** Of the key that wrap() uses; makes one where there is none yet. */
  currentKeyId(): Promise<string>;
  wrap(dataKey: Uint8Array): Promise<WrappedKey>;
  /** The caller overwrites what it gets when it is done. */
  unwrap(key: WrappedKey): Promise<Buffer>;
  /** Makes a further key and wraps with it from now on; absent: that is done where the keys are. */
  addKey?(): Promise<void>;
  /** Forgets all keys but the current one: what they wrapped cannot be had any more. Says how many. */
  dropOldKeys?(): Promise<number>;
}

/** What can be told of a wrapped data key. */
export interface KeyFacts {
  readonly keyId: string;
  /** Equal for volumes that have one data key: a volume and its clones. */
  readonly dataKeyId: string;
}
