// From the Authorization header of a request to who asks, or UNAUTHENTICATED, which says nothing about why a
// token is not known. Called by the REST server for each request that needs somebody.
import { type Clock, systemClock } from '../base/clock.js';
import { TooManyRequestsError, UnauthenticatedError } from '../base/control-errors.js';
import type { Log } from '../base/log.js';
import { adminName } from './admin-token.js';
import { FailureLimiter } from './failure-limiter.js';
import type { Principal } from './roles.js';
import { hashesAreEqual, hashToken, nameInToken } from './token.js';
import type { TokenRegistry } from './token-registry.js';

export interface AuthenticatorOptions {
  readonly adminHash: Uint8Array;
  readonly tokens: Pick<TokenRegistry, 'find'>;
  readonly log: Pick<Log, 'warn'>;
  readonly clock?: Clock;
}

const noHash = new Uint8Array(32);

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #failures: FailureLimiter;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#failures = new FailureLimiter(options.clock ?? systemClock);
  }

  /** `address`: of the peer, for the bound on failures. */
  async authenticate(authorization: string | undefined, address: string): Promise<Principal> {
    if (authorization === undefined) {
      throw new UnauthenticatedError('a token is needed: Authorization: Bearer TOKEN');
    }
    const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
    const name = token === undefined ? undefined : nameInToken(token);
    if (token !== undefined && name !== undefined) {
      const known = await this.#known(name);
      // Also where the name is unknown, so that the time does not tell which names there are.
      const equal = hashesAreEqual(hashToken(token), known?.hash ?? noHash);
      if (known !== undefined && equal) return { name, role: known.role };
    }
    throw this.#failed(address);
  }

  async #known(name: string) {
    if (name === adminName) return { role: 'admin', hash: this.#options.adminHash } as const;
    return this.#options.tokens.find(name);
  }

  #failed(address: string): UnauthenticatedError | TooManyRequestsError {
    if (!this.#failures.take(address)) return new TooManyRequestsError('attempts with a wrong token', 1);
    this.#options.log.warn({ room: 'auth', address }, 'an attempt with a token that is not known');
    return new UnauthenticatedError('the token is not known; it may have been revoked');
  }
}
