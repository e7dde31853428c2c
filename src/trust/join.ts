// A node joins a cluster, and gets a new certificate before the one it has ends. Called by the command line
// and by agents. A join that was cut off anywhere is done again from the start: the key that it made is kept.
import type { MethodDefinition } from '@grpc/grpc-js';
import { formatHost, type HostPort } from '../base/address.js';
import { ConnectRefusedError, StateDirectoryError, UnreachableError } from '../base/errors.js';
import { makeStateDirectory, statePaths } from '../base/state-directory.js';
import { JoinRefusedError } from '../base/trust-errors.js';
import { CallFailure, type ClientTls, methodsOf, RpcConnection } from '../rpc/connection.js';
import type { Sent } from '../rpc/handlers.js';
import type { StatusName } from '../rpc/status.js';
import type { JoinToken } from './join-token.js';
import {
  checkedCertificate,
  encodeControllers,
  type Membership,
  type MembershipFiles,
  membershipFiles,
  readMembership,
  readNodeKey,
  writeMember,
} from './membership.js';
import type { JoinService, MembershipService } from './messages.js';
import { nodeIdIn } from './node-identity.js';
import { pinnedAuthority } from './pinned-authority.js';
import { joinService, membershipService } from './services.js';
import { newKey, requestOf } from './x509.js';

const answerMsMax = 10_000;

export interface JoinClusterOptions {
  /** Where nodes join. */
  readonly address: HostPort;
  readonly token: JoinToken;
  /** UUID of the node, from its own store. */
  readonly nodeId: string;
  readonly name: string;
  readonly stateDirectory: string;
}

/** Resolves when the node has its certificate on stable media. Refused where it has joined already. */
export async function joinCluster(options: JoinClusterOptions): Promise<Membership> {
  const { address, token, nodeId, name, stateDirectory } = options;
  const files = membershipFiles(stateDirectory);
  const { membership: directory } = statePaths(stateDirectory);
  if ((await readMembership(stateDirectory)) !== undefined) {
    const reason = 'this node has joined a cluster; remove the directory to join one again';
    throw new StateDirectoryError(directory, reason);
  }
  const authority = await pinnedAuthority(address, token.authority);
  await makeStateDirectory(directory);
  const key = (await readNodeKey(files)) ?? (await makeKey(files));
  const { Join } = methodsOf<JoinService>(joinService());
  const request = await requestOf(key);
  const answer = await call(address, { certificateAuthority: Buffer.from(authority) }, Join, {
    tokenId: token.id,
    secret: token.secret,
    nodeId,
    name,
    request,
  });
  checkAnswer(address, answer.certificate, key, authority, nodeId);
  const controllers = answer.controllers.map(({ host, port }) => ({ host: host || address.host, port }));
  await writeMember(files.authority, authority);
  await writeMember(files.controllers, encodeControllers(controllers));
  await writeMember(files.certificate, answer.certificate);
  const joined = await readMembership(stateDirectory);
  if (joined === undefined) throw new StateDirectoryError(files.certificate, 'is gone again');
  return joined;
}

/**
 * A certificate for another year, of the same key. Resolves when it is on stable media. `at`: where the store
 * is, if elsewhere than the node learned when it joined.
 */
export async function renewMembership(stateDirectory: string, at?: HostPort): Promise<Membership> {
  const files = membershipFiles(stateDirectory);
  const member = await readMembership(stateDirectory);
  if (member === undefined)
    throw new StateDirectoryError(files.certificate, 'this node has joined no cluster');
  const { nodeId, tls } = member;
  const key = tls.own.key.toString();
  const { Renew } = methodsOf<MembershipService>(membershipService());
  const request = await requestOf(key);
  const address = at ?? member.controllers[0];
  if (address === undefined) throw new StateDirectoryError(files.controllers, 'names no controller');
  const { certificate } = await call(address, tls, Renew, { request });
  checkAnswer(address, certificate, key, tls.certificateAuthority.toString(), nodeId);
  await writeMember(files.certificate, certificate);
  return (await readMembership(stateDirectory)) ?? member;
}

async function makeKey(files: MembershipFiles): Promise<string> {
  const key = await newKey();
  await writeMember(files.key, key, 0o600);
  return key;
}

function checkAnswer(address: HostPort, pem: string, key: string, authority: string, nodeId: string): void {
  const certificate = checkedCertificate(pem, key, authority);
  if (certificate !== undefined && nodeIdIn(certificate) === nodeId.toLowerCase()) return;
  throw new ConnectRefusedError(nameOf(address), 'what it answered is no certificate of this node');
}

const unreachable: ReadonlySet<StatusName> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CANCELLED']);

async function call<Q, R>(
  address: HostPort,
  tls: ClientTls,
  method: MethodDefinition<Sent<Q>, R>,
  request: Sent<Q>,
): Promise<R> {
  const connection = new RpcConnection(address, { tls });
  try {
    return await connection.unary(method, request, { timeoutMs: answerMsMax });
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    if (error.errorCode === 'JOIN_REFUSED') throw new JoinRefusedError();
    const known = error.errorCode === undefined && unreachable.has(error.status);
    const type = known ? UnreachableError : ConnectRefusedError;
    throw new type(nameOf(address), error.details, { cause: error });
  } finally {
    connection.close();
  }
}

function nameOf({ host, port }: HostPort): string {
  return `${formatHost(host)}:${port}`;
}
