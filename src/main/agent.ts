// A node of a cluster put together: the cluster's store, the record of the node, its agent.
import { Agent } from '../agent/agent.js';
import { joinOrRemembered } from '../agent/joining.js';
import { ReplicaNotes } from '../agent/replica-notes.js';
import { resolveHost } from '../base/address.js';
import { systemClock } from '../base/clock.js';
import { InvalidArgumentError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import type { ClusterNodePort, EnginePort, JoinClusterOptions } from '../cli/engine-port.js';
import { GuardedStore } from '../cluster/lineage/guarded-store.js';
import { marksInStore } from '../cluster/lineage/marks.js';
import type { PoolFacts } from '../cluster/model/facts.js';
import { controllerIdsOf } from '../cluster/model/node.js';
import { MirrorRecords } from '../mirrors/records.js';
import type { PoolService } from '../pools/pool-service.js';
import { isLoopback } from '../rpc/tcp-socket.js';
import { type ClusterStore, openClusterEtcd } from '../store/cluster-store.js';
import type { DaemonStore } from '../store/daemon-store.js';
import type { Store } from '../store/types.js';
import { readMembership } from '../trust/membership.js';
import { watchLineage } from './lineage.js';

export interface NodeParts {
  /** Of this node alone. */
  readonly local: Store;
  readonly stateDirectory: string;
  readonly version: string;
  /** Undefined: it has none yet. */
  readonly pools: () => PoolService | undefined;
  readonly log: Log;
}

export async function joinCluster(
  { local, stateDirectory, version, pools, log }: NodeParts,
  { source, name, zone, labels, reached, signal }: JoinClusterOptions,
): Promise<ClusterNodePort> {
  const node = await new MirrorRecords(local).node();
  const host = { hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${node}`, hostId: node };
  const opened = await openStore(local, stateDirectory, source, log);
  const who = { id: node, name, kind: 'node' } as const;
  const lineage = await watchLineage({ opened, marks: marksInStore(local), who, log });
  const store = new GuardedStore(opened.store, lineage);
  try {
    const addresses = { nvme: reached, replication: reached };
    const joining = {
      id: node,
      name,
      addresses,
      hostNqn: host.hostNqn,
      labels,
      ...(zone !== undefined && { zone }),
    };
    const join = { store, joining, clock: systemClock, log, signal };
    const record = await joinOrRemembered({ ...join, local, lineage });
    log.info({ room: 'agent' }, `node '${name}' (${node}), ${record.state}`);
    const notes = new ReplicaNotes({ local, clock: systemClock, log });
    let agent: Agent | undefined;
    return {
      controllerIds: controllerIdsOf(record),
      start: async (engine: EnginePort) => {
        agent = new Agent({
          ...{ engine, node, host, version, log, store, lineage, clock: systemClock },
          recovery: { notes, record, store: opened.store },
          pools: async () => poolFacts(pools()),
        });
        await agent.start();
      },
      announce: async () => agent?.announce(),
      stop: async () => agent?.stop(),
      close: async () => {
        await agent?.close();
        await notes.close();
        await lineage.close();
        await opened.close();
      },
    };
  } catch (error) {
    await lineage.close();
    await opened.close();
    throw error;
  }
}

async function openStore(
  local: Store,
  stateDirectory: string,
  source: JoinClusterOptions['source'],
  log: Log,
): Promise<DaemonStore | ClusterStore> {
  if (source.kind === 'etcd') return openClusterEtcd(local, stateDirectory, source, log);
  const { RemoteStore } = await import('../store/remote/remote-store.js');
  const membership = await readMembership(stateDirectory);
  const address = source.address ?? membership?.controllers[0];
  if (address === undefined) {
    throw new InvalidArgumentError('controller', 'HOST:PORT, --store etcd://..., or a node that has joined');
  }
  if (membership === undefined) {
    // The store would refuse it. What answers without asking for a certificate is not the cluster's store.
    if (!isLoopback(await resolveHost(address.host))) {
      const reason = `a node that has joined (ballast node join): ${address.host} is another machine`;
      throw new InvalidArgumentError('controller', reason);
    }
    const store = new RemoteStore({ address });
    return { store, close: () => store.close() };
  }
  const store = new RemoteStore({ address, tls: membership.tls });
  const { MembershipRenewal } = await import('../trust/renewal.js');
  const renewal = new MembershipRenewal({
    stateDirectory,
    log,
    at: address,
    renewed: ({ tls }) => store.useTls(tls),
  });
  renewal.start();
  return {
    store,
    close: async () => {
      await renewal.close();
      await store.close();
    },
  };
}

async function poolFacts(service: PoolService | undefined): Promise<readonly PoolFacts[]> {
  if (service === undefined) return [];
  const { iops } = service.qos.budget();
  return (await service.pools.list()).map(({ name, uuid, info, state, error }) => ({
    ...{ name, uuid, capacityBytes: info?.capacityBytes ?? 0n, freeBytes: info?.freeBytes ?? 0n },
    ...(info === undefined && { error: error ?? `it is ${state}` }),
    ...(info?.broken === true && { error: 'a disk of it failed' }),
    ...(iops > 0 && { iopsBudget: iops }),
  }));
}
