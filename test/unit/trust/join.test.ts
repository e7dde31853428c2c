// Joining over real connections: what a node has afterwards, what it may do with it, and who is refused.
import { randomUUID, X509Certificate } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { typesOf } from '../../../proto/types.mjs';
import { type Clock, systemClock } from '../../../src/base/clock.js';
import { nodeKey } from '../../../src/cluster/model/keys.js';
import { joinNode } from '../../../src/cluster/model/node.js';
import { encodeNode } from '../../../src/cluster/model/node-record.js';
import { CallFailure, type ClientTls, methodsOf, RpcConnection } from '../../../src/rpc/connection.js';
import { RemoteStore } from '../../../src/store/remote/remote-store.js';
import { type JoinClusterOptions, joinCluster, renewMembership } from '../../../src/trust/join.js';
import { parseJoinToken } from '../../../src/trust/join-token.js';
import type { WantedJoinToken } from '../../../src/trust/join-tokens.js';
import { membershipFiles, readMembership } from '../../../src/trust/membership.js';
import type { JoinService } from '../../../src/trust/messages.js';
import { serverNames } from '../../../src/trust/server-names.js';
import { joinService } from '../../../src/trust/services.js';
import { newKey, requestOf } from '../../../src/trust/x509.js';
import { ClusterTrust } from '../../support/cluster-trust.js';

const hourMs = 3_600_000;
let aheadMs = 0;
/** What the controller takes for the time. */
const clock: Clock = { ...systemClock, date: () => new Date(Date.now() + aheadMs) };
let trust: ClusterTrust;
const opened: { close(): unknown }[] = [];

beforeEach(async () => {
  aheadMs = 0;
  trust = await ClusterTrust.start(clock);
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
  await trust.close();
});

async function options(wanted: WantedJoinToken = {}, name = 'n1'): Promise<JoinClusterOptions> {
  const { token } = await trust.tokens.create(wanted);
  return {
    address: trust.joinAddress,
    token: parseJoinToken(token),
    nodeId: randomUUID(),
    name,
    stateDirectory: trust.node(name),
  };
}

function storeWith(tls: ClientTls | undefined, address = trust.nodeAddress): RemoteStore {
  const short = { requestMs: 1_000, attemptMs: 500 };
  const store = new RemoteStore({ address, ...short, ...(tls !== undefined && { tls }) });
  opened.push(store);
  return store;
}

describe('a node that joins', () => {
  it('has a key of its own, a certificate, the authority, and the address of the store', async () => {
    const wanted = await options();
    const member = await joinCluster(wanted);
    expect(member).toMatchObject({ nodeId: wanted.nodeId, controllers: [trust.nodeAddress] });
    const files = membershipFiles(wanted.stateDirectory);
    expect(statSync(files.key).mode & 0o777).toBe(0o600);
    expect(readFileSync(files.authority, 'utf8')).toBe(trust.authority.certificate);
    expect(await readMembership(wanted.stateDirectory)).toEqual(member);
  });

  it('uses the store with it', async () => {
    const { tls } = await joinCluster(await options());
    const store = storeWith(tls);
    await store.commit([], [{ type: 'put', key: 'k', value: Buffer.from('v') }]);
    expect(await trust.store.get('k')).toBeDefined();
  });

  it('has not joined before, and does not join twice', async () => {
    const wanted = await options({ usesMax: 2 });
    expect(await readMembership(wanted.stateDirectory)).toBeUndefined();
    await joinCluster(wanted);
    await expect(joinCluster(wanted)).rejects.toThrow('this node has joined a cluster');
  });

  it('M16: and is cut off before its certificate is kept, joins with the same token and key', async () => {
    const wanted = await options();
    await joinCluster(wanted);
    const { certificate, key } = membershipFiles(wanted.stateDirectory);
    const before = readFileSync(key, 'utf8');
    rmSync(certificate);
    expect(await readMembership(wanted.stateDirectory)).toBeUndefined();
    await joinCluster(wanted);
    expect(readFileSync(key, 'utf8')).toBe(before);
    expect(await trust.tokens.list()).toMatchObject([{ uses: 1 }]);
  });

  it('M13: leaves nothing of its token in the log or on its disk', async () => {
    const wanted = await options();
    await joinCluster(wanted);
    await expect(joinCluster({ ...wanted, name: 'x', stateDirectory: trust.node('x') })).rejects.toThrow();
    expect(trust.lines.join('')).toContain(wanted.nodeId);
    const files = readdirSync(trust.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8'));
    expect(files.length).toBeGreaterThan(3);
    expect(trust.lines.join('') + files.join('')).not.toContain(wanted.token.secret);
  });

  it('M1: with a wrong token is told nothing else, and gets nothing', async () => {
    const good = await options();
    const wrong = { ...good, token: { ...good.token, secret: 'x'.repeat(43) } };
    await expect(joinCluster(wrong)).rejects.toMatchObject({ code: 'JOIN_REFUSED' });
    expect(await readMembership(good.stateDirectory)).toBeUndefined();
    expect(await trust.tokens.list()).toMatchObject([{ uses: 0 }]);
    await joinCluster(good); // what the refused attempt left is no obstacle
  });

  it('M1: with wrong tokens again and again is one of too many, and a right one still passes', async () => {
    const good = await options();
    const wrong = { ...good, token: { ...good.token, secret: 'x'.repeat(43) } };
    const codes = [];
    for (let attempt = 0; attempt < 12; attempt += 1) codes.push(await callJoin(wrong));
    expect(codes.slice(0, 10)).toEqual(Array(10).fill('PERMISSION_DENIED JOIN_REFUSED'));
    expect(codes.at(-1)).toBe('UNAVAILABLE TOO_MANY_REQUESTS');
    const warnings = trust.lines.filter((line) => line.includes('an attempt to join'));
    expect(warnings).toHaveLength(10);
    await joinCluster(good);
  });

  it('D23: with the ID of another is refused, and told why', async () => {
    const first = await options();
    await joinCluster(first);
    const copy = { ...(await options({}, 'n2')), nodeId: first.nodeId };
    await expect(joinCluster(copy)).rejects.toThrow(/refused the connection: .*of node 'n1'/);
  });

  it('that is answered with the certificate of another node keeps nothing', async () => {
    const wanted = await options();
    const { authority } = trust;
    const sign = authority.signNode.bind(authority);
    authority.signNode = (_nodeId, request) => sign(randomUUID(), request);
    await expect(joinCluster(wanted)).rejects.toThrow('is no certificate of this node');
    expect(await readMembership(wanted.stateDirectory)).toBeUndefined();
  });

  it('M2: sends a request of bounded size', async () => {
    const good = await options();
    expect(await callJoin(good, new Uint8Array(9 * 1024))).toBe('INVALID_ARGUMENT INVALID_ARGUMENT');
    expect(await callJoin(good, new Uint8Array(17 * 1024))).toContain('RESOURCE_EXHAUSTED');
    expect(await trust.tokens.list()).toMatchObject([{ uses: 0 }]);
  });
});

describe('the address where nodes join', () => {
  it('has nothing else: not the store, not renewal', async () => {
    const member = await joinCluster(await options());
    const store = storeWith(member.tls, trust.joinAddress);
    await expect(store.get('k')).rejects.toThrow();
    const { controllers } = membershipFiles(trust.node('n1'));
    const { port } = trust.joinAddress;
    writeFileSync(controllers, JSON.stringify({ version: 1, controllers: [`127.0.0.1:${port}`] }));
    await expect(renewMembership(trust.node('n1'))).rejects.toThrow('does not implement the method');
  });

  it('of another cluster gets nothing from a node with a token', async () => {
    const other = await ClusterTrust.start();
    opened.push(other);
    const wanted = { ...(await options()), address: other.joinAddress };
    await expect(joinCluster(wanted)).rejects.toMatchObject({ code: 'WRONG_AUTHORITY' });
    expect(other.lines).toEqual([]);
    expect(await readMembership(wanted.stateDirectory)).toBeUndefined();
  });

  it('M18: that has no certificate of its address gets nothing, whatever its authority', async () => {
    const other = await ClusterTrust.start(systemClock, '0.0.0.0');
    opened.push(other);
    const { token } = await other.tokens.create();
    const address = { ...other.joinAddress, host: '127.0.0.2' }; // of this machine, and none of its names
    const wanted = { ...(await options()), address, token: parseJoinToken(token) };
    await expect(joinCluster(wanted)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(other.lines).toEqual([]);
    await joinCluster({ ...wanted, address: other.joinAddress });
  });

  it('M18: whose certificate has expired gets nothing', async () => {
    aheadMs = -400 * 24 * hourMs;
    const other = await ClusterTrust.start(clock);
    opened.push(other);
    const { token } = await other.tokens.create();
    const wanted = { ...(await options()), address: other.joinAddress, token: parseJoinToken(token) };
    await expect(joinCluster(wanted)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(other.lines).toEqual([]);
  });

  it('that is none is not reachable', async () => {
    const wanted = { ...(await options()), address: { host: '127.0.0.1', port: 1 } };
    await expect(joinCluster(wanted)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });
});

describe('the address for nodes', () => {
  it('M18: refuses who has no certificate, one of another authority, or one that is no node', async () => {
    const other = await ClusterTrust.start();
    opened.push(other);
    const { tls } = await joinCluster(await options());
    const stranger = await joinCluster({
      ...(await options()),
      address: other.joinAddress,
      token: parseJoinToken((await other.tokens.create()).token),
      stateDirectory: other.node('n1'),
    });
    const { certificateAuthority } = tls;
    const linesCount = trust.lines.length;
    for (const refused of [
      undefined,
      { certificateAuthority },
      { certificateAuthority, own: stranger.tls.own },
      {
        certificateAuthority,
        own: await trust.authority.serverIdentity(serverNames(['127.0.0.1', '127.0.0.1'])),
      },
    ]) {
      await expect(storeWith(refused).get('k')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    }
    expect(trust.lines).toHaveLength(linesCount); // nothing of gRPC was read
    await storeWith(tls).get('k');
  });

  it.each([
    ['has expired', -400 * 24 * hourMs],
    ['is not valid yet, by a clock that is two hours ahead', 2 * hourMs],
  ])('M18: refuses a node whose certificate %s', async (_what, offMs) => {
    aheadMs = offMs;
    const { tls } = await joinCluster(await options());
    await expect(storeWith(tls).get('k')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('M18: takes a node whose certificate was made by a clock half an hour ahead', async () => {
    aheadMs = hourMs / 2;
    const { tls } = await joinCluster(await options());
    await storeWith(tls).get('k');
  });

  it('M18: refuses a node that was decommissioned, also on a connection that stands', async () => {
    const { tls, nodeId } = await joinCluster(await options());
    const store = storeWith(tls);
    await store.get('k');
    await decommission(nodeId);
    await expect(store.get('k')).rejects.toThrow('this node was decommissioned');
    await expect(renewMembership(trust.node('n1'))).rejects.toThrow('this node was decommissioned');
  });
});

describe('a certificate that is renewed', () => {
  it('is another one, of the same key and node, and works', async () => {
    const before = await joinCluster(await options());
    const after = await renewMembership(trust.node('n1'));
    expect(after.tls.own.certificate).not.toEqual(before.tls.own.certificate);
    expect(after.tls.own.key).toEqual(before.tls.own.key);
    expect(after.nodeId).toBe(before.nodeId);
    expect(await readMembership(trust.node('n1'))).toEqual(after);
    await storeWith(after.tls).get('k');
    const serial = ({ tls }: typeof after) => new X509Certificate(tls.own.certificate).serialNumber;
    expect(serial(after)).not.toBe(serial(before));
  });
});

describe('a store that is used while a certificate is replaced', () => {
  it('answers, and is watched on, with the new one', async () => {
    const { tls } = await joinCluster(await options());
    const store = storeWith(tls);
    const ended = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { changes } of store.watch('k', 0n, ended.signal)) {
        seen.push(...changes.map(({ key }) => key));
      }
    })();
    const write = (key: string) => store.commit([], [{ type: 'put', key, value: Buffer.from('v') }]);
    const sees = (key: string) => vi.waitFor(() => expect(seen).toContain(key), 10_000);
    await write('k1');
    await sees('k1');
    store.useTls((await renewMembership(trust.node('n1'))).tls);
    await write('k2');
    await sees('k2');
    await setTimeout(1_500); // longer than what is left to calls on the old connection
    await write('k3');
    await sees('k3');
    expect(seen).toEqual(['k1', 'k2', 'k3']);
    ended.abort();
    await watching;
  });

  it('of the controller: who comes later is shown the new one', async () => {
    const { tls } = await joinCluster(await options());
    const before = await shown(trust.nodeAddress.port);
    await storeWith(tls).get('k');
    aheadMs = 183 * 24 * hourMs;
    await trust.doors.renew();
    const after = await shown(trust.nodeAddress.port);
    expect(after).not.toBe(before);
    expect(await shown(trust.joinAddress.port)).toBe(after);
  });

  /** Serial number of the certificate. */
  function shown(port: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
    });
  }
});

describe('what a node keeps', () => {
  it.each([
    ['key', 'is missing'],
    ['authority', 'does not fit node.key and ca.pem'],
    ['controllers', 'does not say where the controller is'],
  ] as const)('without its %s is refused', async (file, reason) => {
    const { stateDirectory } = await joined();
    rmSync(membershipFiles(stateDirectory)[file]);
    await expect(readMembership(stateDirectory)).rejects.toThrow(reason);
  });

  it('with a key that others could read is refused', async () => {
    const { stateDirectory } = await joined();
    chmodSync(membershipFiles(stateDirectory).key, 0o644);
    await expect(readMembership(stateDirectory)).rejects.toThrow('has mode 0644 instead of 0600');
  });

  it('with the certificate of another node is refused', async () => {
    const { stateDirectory } = await joined();
    await joinCluster(await options({}, 'n2'));
    renameSync(membershipFiles(trust.node('n2')).certificate, membershipFiles(stateDirectory).certificate);
    await expect(readMembership(stateDirectory)).rejects.toThrow('does not fit');
  });

  async function joined() {
    const wanted = await options();
    await joinCluster(wanted);
    return wanted;
  }
});

it('messages are those of the proto', () => {
  const file = fileURLToPath(new URL('../../../src/trust/messages.ts', import.meta.url));
  expect(readFileSync(file, 'utf8')).toBe(typesOf('join'));
});

/** Status and code, without what joinCluster makes of them. */
async function callJoin({ token, nodeId, name }: JoinClusterOptions, request?: Uint8Array): Promise<string> {
  const tls = { certificateAuthority: Buffer.from(trust.authority.certificate) };
  const connection = new RpcConnection(trust.joinAddress, { tls });
  opened.push(connection);
  const { Join } = methodsOf<JoinService>(joinService());
  const message = {
    tokenId: token.id,
    secret: token.secret,
    nodeId,
    name,
    request: request ?? (await requestOf(await newKey())),
  };
  return connection.unary(Join, message, { timeoutMs: 5_000 }).then(
    () => 'OK',
    (error: unknown) => {
      if (!(error instanceof CallFailure)) throw error;
      return `${error.status} ${error.errorCode}`;
    },
  );
}

async function decommission(id: string): Promise<void> {
  const address = { host: '192.0.2.1', port: 4420 };
  const joining = {
    id,
    name: 'n1',
    addresses: { nvme: address, replication: address },
    hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${id}`,
    labels: {},
  };
  const value = encodeNode({ ...joinNode(joining, [], new Date()), state: 'decommissioned' });
  await trust.store.commit([], [{ type: 'put', key: nodeKey(id), value }]);
}
