// Leases of etcd. Each has two ends: here, at its time after the moment before its last renewal was sent, and
// at etcd, later (whole seconds, and a least time of the server's). So its holder stops before anybody else
// can begin. When it has ended here, etcd is told to end it too.
import type { Clock } from '../../base/clock.js';
import { LeaseExpiredError, StoreUnavailableError } from '../../base/control-errors.js';
import { CallFailure } from '../../rpc/connection.js';
import type { Lease } from '../types.js';
import type { EtcdEndpoints } from './endpoints.js';
import { isLeaseUnknown, told, unavailable } from './failures.js';
import { etcdServices } from './services.js';

export const leasesMax = 4096;

export class EtcdLeases {
  readonly #alive = new Map<string, () => Promise<void>>();

  constructor(
    readonly endpoints: EtcdEndpoints,
    readonly clock: Clock,
  ) {}

  async make(ttlMs: number): Promise<Lease> {
    if (this.#alive.size >= leasesMax)
      throw new StoreUnavailableError('lease', `there are ${leasesMax} already`);
    const sentMs = this.clock.steadyMs();
    const { lease } = etcdServices();
    const request = { ttl: String(Math.ceil(ttlMs / 1000)), id: '0' };
    // Given twice, the first one ends by its time.
    const { id, error } = await told('lease', this.endpoints.read(lease.LeaseGrant, request));
    if (error !== '') throw new StoreUnavailableError('lease', error);
    return this.#begin(id, ttlMs, sentMs);
  }

  check(lease: string): void {
    if (!this.#alive.has(lease)) throw new LeaseExpiredError(lease);
  }

  /** Resolves when etcd was told of all, or does not answer. */
  async endAll(): Promise<void> {
    await Promise.allSettled([...this.#alive.values()].map((end) => end()));
  }

  #begin(id: string, ttlMs: number, sentMs: number): Lease {
    const controller = new AbortController();
    let gone: Promise<void> | undefined;
    let stopTimer: () => void = () => undefined;
    const end = (): Promise<void> => {
      if (gone === undefined) {
        this.#alive.delete(id); // first: no write under it may be sent any more
        stopTimer();
        gone = this.#revoke(id);
        gone.catch(() => undefined); // nobody may wait for it: then it ends at etcd by its time
        controller.abort(new LeaseExpiredError(id));
      }
      return gone;
    };
    const start = (beganMs: number) => {
      stopTimer();
      const leftMs = ttlMs - (this.clock.steadyMs() - beganMs);
      stopTimer = this.clock.after(Math.max(0, leftMs), () => void end());
    };
    this.#alive.set(id, end);
    start(sentMs);
    return {
      id,
      ttlMs,
      ended: controller.signal,
      renew: async () => {
        this.check(id);
        const renewedMs = this.clock.steadyMs();
        const left = await this.#keepAlive(id);
        if (left <= 0n) void end();
        this.check(id);
        start(renewedMs);
      },
      revoke: end,
    };
  }

  /** Seconds that are left; 0: it is gone. */
  async #keepAlive(id: string): Promise<bigint> {
    const { lease } = etcdServices();
    const { ttl } = await told('renew lease', this.endpoints.first(lease.LeaseKeepAlive, { id }));
    return BigInt(ttl);
  }

  async #revoke(id: string): Promise<void> {
    const { lease } = etcdServices();
    try {
      await this.endpoints.read(lease.LeaseRevoke, { id });
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      if (!isLeaseUnknown(error)) throw unavailable('revoke lease', error);
    }
  }
}
