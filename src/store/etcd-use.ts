// How a program of ours uses an etcd: by which certificates and password, and, in its own LevelDB, which one,
// as whom, and how far that was: one that went back is found at the next start.
import { readFile } from 'node:fs/promises';
import type { Clock } from '../base/clock.js';
import { InvalidArgumentError, StateDirectoryError } from '../base/errors.js';
import { type Fields, parseFields } from '../base/json-fields.js';
import type { Log } from '../base/log.js';
import type { EtcdSource } from '../base/store-source.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { EtcdStore } from './etcd/etcd-store.js';
import type { StoreMark } from './lineage.js';
import type { Store } from './types.js';

const markEveryMs = 10_000;
const decimal = /^(?:0|[1-9]\d{0,19})$/;

/** What the LevelDB remembers of etcd. */
export interface UsedEtcd {
  readonly where: string;
  /** UUID of this daemon as the owner of its prefix. */
  readonly owner: string;
  readonly prefix: string;
  readonly mark: StoreMark;
}

export async function accessOf({ tls, user }: EtcdSource) {
  return {
    ...(tls !== undefined && {
      tls: {
        ...(tls.ca !== undefined && { certificateAuthority: await readOption('store-ca', tls.ca) }),
        ...(tls.own !== undefined && {
          own: {
            certificate: await readOption('store-cert', tls.own.certificate),
            key: await readOption('store-key', tls.own.key),
          },
        }),
      },
    }),
    ...(user !== undefined && {
      user: { name: user.name, password: await readPassword(user.passwordFile) },
    }),
  };
}

async function readPassword(path: string): Promise<string> {
  const text = (await readOption('store-password-file', path)).toString('utf8').replace(/\r?\n$/, '');
  if (text === '')
    throw new InvalidArgumentError('store-password-file', `a password in ${path}, which is empty`);
  return text;
}

async function readOption(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new InvalidArgumentError(option, `a file that can be read; ${path} cannot (${code})`);
  }
}

/** Keeps how far etcd was, now and then and at the end. */
export class Marks {
  #saved: bigint | undefined;
  #stop: () => void = () => undefined;
  #saving: Promise<void> = Promise.resolve();

  /** `key`: where the LevelDB has it. */
  constructor(
    readonly local: Store,
    readonly key: string,
    readonly etcd: EtcdStore,
    readonly fields: Omit<UsedEtcd, 'mark'>,
    readonly log: Log,
    readonly clock: Clock,
  ) {}

  begin(): void {
    this.#stop = this.clock.after(markEveryMs, () => {
      this.#saving = this.save().catch((error: unknown) => {
        this.log.warn({ room: 'store', err: error }, 'how far etcd is could not be written down');
      });
      void this.#saving.then(() => this.begin());
    });
  }

  async save(): Promise<void> {
    const { mark } = this.etcd;
    if (mark === undefined || mark.revision === this.#saved) return;
    const { identity, revision } = mark;
    const fields = { version: 1, ...this.fields, identity, revision: revision.toString() };
    const value = Buffer.from(JSON.stringify(fields));
    await this.local.commit([], [{ type: 'put', key: this.key, value }]);
    this.#saved = revision;
  }

  async end(): Promise<void> {
    this.#stop();
    await this.#saving;
    this.#stop();
    await this.save();
  }
}

/** `key`: where the LevelDB has it. */
export async function usedEtcd(local: Store, key: string, directory: string): Promise<UsedEtcd | undefined> {
  const found = await local.get(key);
  if (found === undefined) return undefined;
  const used = decode(parseFields(found.value));
  if (used !== undefined) return used;
  throw new StateDirectoryError(directory, `what it says of etcd (${key}) cannot be read`);
}

function decode(fields: Fields | undefined): UsedEtcd | undefined {
  if (fields?.version !== 1) return undefined;
  const { where, owner, prefix, identity, revision } = fields;
  if (typeof where !== 'string' || typeof prefix !== 'string') return undefined;
  if (typeof owner !== 'string' || !uuidPattern.test(owner)) return undefined;
  if (typeof identity !== 'string' || identity === '') return undefined;
  if (typeof revision !== 'string' || !decimal.test(revision)) return undefined;
  return { where, owner, prefix, mark: { identity, revision: BigInt(revision) } };
}
