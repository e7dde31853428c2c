// What leases are at etcd: of whole seconds, and of a least time that the server chooses.
import { StoreUnavailableError } from '../../base/control-errors.js';
import { CallFailure } from '../../rpc/connection.js';
import type { LeaseCalls } from '../distant-leases.js';
import type { EtcdEndpoints } from './endpoints.js';
import { isLeaseUnknown, told, unavailable } from './failures.js';
import { etcdServices } from './services.js';

export function etcdLeases(endpoints: EtcdEndpoints): LeaseCalls {
  const { LeaseGrant, LeaseKeepAlive, LeaseRevoke } = etcdServices().lease;
  return {
    grant: async (ttlMs) => {
      const request = { ttl: String(Math.ceil(ttlMs / 1000)), id: '0' };
      const { id, error } = await told('lease', endpoints.read(LeaseGrant, request));
      if (error !== '') throw new StoreUnavailableError('lease', error);
      return id;
    },
    renew: async (id) => {
      const { ttl } = await told('renew lease', endpoints.first(LeaseKeepAlive, { id }));
      return BigInt(ttl) > 0n;
    },
    revoke: async (id) => {
      try {
        await endpoints.read(LeaseRevoke, { id });
      } catch (error) {
        if (!(error instanceof CallFailure)) throw error;
        if (!isLeaseUnknown(error)) throw unavailable('revoke lease', error);
      }
    },
  };
}
