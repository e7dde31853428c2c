// Who we say we are when the caller does not: one identity per process, and a host identifier that always
// goes with the same host NQN. Targets may refuse one of them with another partner.
import { createHash, randomUUID } from 'node:crypto';
import { checkNqn } from '../base/nqn.js';
import { checkUuid } from './checks.js';

const prefix = 'nqn.2014-08.org.nvmexpress:uuid:';
const ownHostId = randomUUID();

// A version 8 UUID (RFC 9562) of the name's hash.
function hostIdOf(hostNqn: string): string {
  const named = hostNqn.startsWith(prefix) ? hostNqn.slice(prefix.length) : '';
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(named)) return named.toLowerCase();
  const digest = createHash('sha256').update(hostNqn).digest();
  digest.writeUInt8(((digest[6] ?? 0) & 0x0f) | 0x80, 6);
  digest.writeUInt8(((digest[8] ?? 0) & 0x3f) | 0x80, 8);
  return digest.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function resolveIdentity(options: { readonly hostNqn?: string; readonly hostId?: string }): {
  readonly hostNqn: string;
  readonly hostId: string;
} {
  const { hostNqn, hostId } = options;
  if (hostId !== undefined) checkUuid(hostId, 'hostId');
  if (hostNqn !== undefined) checkNqn(hostNqn);
  return {
    hostNqn: hostNqn ?? `${prefix}${hostId ?? ownHostId}`,
    hostId: hostId ?? (hostNqn === undefined ? ownHostId : hostIdOf(hostNqn)),
  };
}
