// Calls to the members of an etcd cluster: the token of a user, and what etcd says when it refuses.
import type { HostPort } from '../../base/address.js';
import { InvalidArgumentError } from '../../base/errors.js';
import { etcdEndpointsMax } from '../../base/store-source.js';
import type { ClientTls } from '../../rpc/connection.js';
import { RpcEndpoints } from '../../rpc/endpoints.js';
import { isPassing, needsNewToken } from './failures.js';
import { etcdServices } from './services.js';

export interface EtcdEndpointsOptions {
  /** 1 to 16 members of one cluster. */
  readonly endpoints: readonly HostPort[];
  readonly tls?: ClientTls;
  readonly user?: { readonly name: string; readonly password: string };
  /** Of a call with all its attempts, in milliseconds. Default 4,000. */
  readonly requestMs?: number;
  /** After which another member is asked, in milliseconds. Default 1,500. */
  readonly attemptMs?: number;
}

/** Values of 1 MiB in an answer that etcd cuts near 1.5 MiB, and some room. */
const messageBytesMax = 16 << 20;

export class EtcdEndpoints extends RpcEndpoints {
  readonly #user: EtcdEndpointsOptions['user'];
  /** Promised, so that many calls at once get one token. */
  #token: Promise<string> | undefined;

  constructor({ user, ...options }: EtcdEndpointsOptions) {
    const count = options.endpoints.length;
    if (count < 1 || count > etcdEndpointsMax) {
      throw new InvalidArgumentError('endpoints', `1 to ${etcdEndpointsMax} addresses of etcd`);
    }
    super(options, {
      messageBytesMax,
      isPassing,
      metadata: () => this.#withToken(),
      isStale: (failure) => {
        const stale = needsNewToken(failure);
        if (stale) this.forgetToken();
        return stale;
      },
    });
    this.#user = user;
  }

  /** The next call asks for another one. */
  forgetToken(): void {
    this.#token = undefined;
  }

  async #withToken(): Promise<Readonly<Record<string, string>>> {
    // A member that has lost its leader says so at once, instead of waiting for one.
    const always = { hasleader: 'true' };
    if (this.#user === undefined) return always;
    this.#token ??= this.#authenticate(this.#user);
    try {
      return { ...always, token: await this.#token };
    } catch (error) {
      this.forgetToken();
      throw error;
    }
  }

  async #authenticate(user: NonNullable<EtcdEndpointsOptions['user']>): Promise<string> {
    return (await this.readPlain(etcdServices().auth.Authenticate, user)).token;
  }
}
