// The services of proto/join.proto. Join is for strangers: whoever has no valid token is refused in one text,
// a few times honestly and then as one of too many. Membership is for nodes, told apart by their
// certificates, as is everything else that `nodesOnly` stands before. Added to RpcServers by src/main.
import { FailureLimiter } from '../auth/failure-limiter.js';
import type { HostPort } from '../base/address.js';
import { type Clock, systemClock } from '../base/clock.js';
import { TooManyRequestsError } from '../base/control-errors.js';
import type { Log } from '../base/log.js';
import { JoinRefusedError, NodeRefusedError } from '../base/trust-errors.js';
import type { Call, Handlers } from '../rpc/handlers.js';
import type { RpcServerOptions } from '../rpc/server.js';
import type { Admission } from './admission.js';
import type { Authority } from './authority.js';
import type { JoinService, MembershipService } from './messages.js';
import { nodeIdInNames } from './node-identity.js';

export interface JoinOptions {
  readonly authority: Authority;
  readonly admission: Admission;
  /** Where the store is; an empty host is that at which the node joined. */
  readonly controllers: () => readonly HostPort[];
  readonly log: Pick<Log, 'warn'>;
  readonly clock?: Clock;
}

/**
 * What an RpcServer for strangers has to know. A request is a token, a name and a request of a certificate.
 */
export const joinObservation = {
  hidden: new Set(['secret', 'request', 'certificate', 'authority']) as ReadonlySet<string>,
  changes: () => true,
  messageBytesMax: 16 * 1024,
} satisfies Omit<RpcServerOptions, 'log'>;

export function joinHandlers(options: JoinOptions): Handlers<JoinService> {
  const { authority, admission, controllers, log, clock = systemClock } = options;
  const failures = new FailureLimiter(clock);
  const refusal = (error: unknown, address: string) => {
    if (!(error instanceof JoinRefusedError)) return error;
    if (!failures.take(address)) return new TooManyRequestsError('attempts with a wrong join token', 1);
    log.warn({ room: 'trust', address }, 'an attempt to join with a token that is not valid');
    return error;
  };
  return {
    Join: async ({ tokenId, secret, nodeId, name, request }, { peer }) => {
      try {
        await admission.checkToken({ tokenId, secret }); // nothing is signed for who has none
        const { certificate } = await authority.signNode(nodeId, request);
        await admission.admit({ tokenId, secret, nodeId, name });
        return { certificate, authority: authority.certificate, controllers: [...controllers()] };
      } catch (error) {
        throw refusal(error, peer.address);
      }
    },
  };
}

export function membershipHandlers({
  authority,
  admission,
}: Pick<JoinOptions, 'authority' | 'admission'>): Handlers<MembershipService> {
  return {
    Renew: async ({ request }, call) => {
      const nodeId = nodeOf(call);
      await admission.checkNode(nodeId);
      const { certificate } = await authority.signNode(nodeId, request);
      return { certificate };
    },
  };
}

/** What an RpcServer asks before each call: whether it is of a node that was not decommissioned. */
export function nodesOnly(admission: Pick<Admission, 'checkNode'>): Required<RpcServerOptions>['check'] {
  return async (_request, call) => admission.checkNode(nodeOf(call));
}

function nodeOf({ peer }: Pick<Call, 'peer'>): string {
  const nodeId = nodeIdInNames(peer.certificateNames);
  if (nodeId === undefined) throw new NodeRefusedError('this needs the certificate of a node');
  return nodeId;
}
