// A controller put together: the store of the cluster, for others too where it is embedded; who leads, and
// what a leader does; the REST API of the cluster.

import { createApp } from '../api/app.js';
import { ApiDoors, formatHttp } from '../api/doors.js';
import {
  clusterDaemonRoutes,
  clusterNodeRoutes,
  clusterRebuildRoutes,
  clusterSnapshotRoutes,
  clusterStatusRoutes,
  clusterVolumeRoutes,
  healthRoutes,
  joinTokenRoutes,
  tokenRoutes,
} from '../api/routes/index.js';
import { adminTokenHash } from '../auth/admin-token.js';
import { Authenticator } from '../auth/authenticator.js';
import { TokenRegistry } from '../auth/token-registry.js';
import { type HostPort, resolveHost } from '../base/address.js';
import { systemClock } from '../base/clock.js';
import type { ControllerSettings } from '../base/cluster-settings.js';
import type { Log } from '../base/log.js';
import { makeStateDirectory, statePaths } from '../base/state-directory.js';
import type { ClusterControllerPort } from '../cli/engine-port.js';
import { currentLeader, Election } from '../cluster/election/election.js';
import { marksInFile, marksInStore } from '../cluster/lineage/marks.js';
import { noteOpening } from '../cluster/lineage/opening.js';
import type { Refusal } from '../cluster/model/refusal.js';
import { ClusterState } from '../controller/cluster-state.js';
import { Events } from '../controller/events.js';
import { clusterStatus } from '../controller/health.js';
import { Nodes } from '../controller/nodes.js';
import { Rebuild } from '../controller/rebuild.js';
import { Reconciler } from '../controller/reconciler.js';
import { SnapshotReconciler } from '../controller/snapshot-reconciler.js';
import { ClusterSnapshots } from '../controller/snapshots.js';
import { ClusterVolumes } from '../controller/volumes.js';
import { MirrorRecords } from '../mirrors/records.js';
import { openClusterEtcd } from '../store/cluster-store.js';
import { openLevelStore } from '../store/level/level-store.js';
import { storeHandlers, storeObservation } from '../store/remote/handlers.js';
import type { StoreService } from '../store/remote/messages.js';
import { storeService } from '../store/remote/services.js';
import type { Store } from '../store/types.js';
import { Admission } from '../trust/admission.js';
import { Authority } from '../trust/authority.js';
import { ClusterDoors } from '../trust/cluster-doors.js';
import { JoinTokens } from '../trust/join-tokens.js';
import { firstLook, watchLineage } from './lineage.js';

/** Of the last events, with the status. */
const eventsShown = 50;

/** What is to be closed, in the order in which it was opened. */
type Closing = (() => Promise<void>)[];

export async function startController(
  settings: ControllerSettings,
  version: string,
  log: Log,
): Promise<ClusterControllerPort> {
  const closing: Closing = [];
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end();
  };
  try {
    return { places: await open(settings, version, log, closing), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function open(
  settings: ControllerSettings,
  version: string,
  log: Log,
  closing: Closing,
): Promise<readonly string[]> {
  const paths = statePaths(settings.dataDirectory);
  const doors = new ApiDoors();
  closing.push(() => doors.close());
  const { address } = settings.apiListen;
  const bound = address === undefined ? undefined : await doors.openTcp(address);
  await makeStateDirectory(paths.directory);
  const local = await openLevelStore(paths.store);
  closing.push(() => local.close());
  const id = await new MirrorRecords(local).node();
  const who = { id, name: settings.name, kind: 'controller' } as const;
  const { store, place, joinTokens } = await openStore(settings, local, who, log, closing);
  const adminHash = await adminTokenHash(paths.apiToken);
  await doors.openSocket(paths.apiSocket);

  const shared = { store, clock: systemClock, log };
  const state = new ClusterState(shared);
  closing.push(() => state.close());
  state.start();
  const events = new Events(shared);
  closing.push(() => events.close());
  const nodes = new Nodes({ store, state, events });
  const { replaceAfterMs } = settings;
  const volumes = new ClusterVolumes({ ...shared, state, nodes, replaceAfterMs });
  const reconciler = new Reconciler({ ...shared, state, events, replaceAfterMs });
  const snapshots = new SnapshotReconciler({ ...shared, state, events });
  const election = new Election({
    ...shared,
    id,
    name: settings.name,
    lead: async (term) => void (await Promise.all([reconciler.lead(term), snapshots.lead(term)])),
  });
  closing.push(() => election.close());
  election.start();

  const tokens = new TokenRegistry(store);
  const app = await createApp({
    log,
    version,
    authenticator: new Authenticator({ adminHash, tokens, log }),
    isTrusted: (request) => doors.isTrusted(request),
    modules: [
      healthRoutes(async () => void (await store.get('health'))),
      clusterNodeRoutes(nodes),
      clusterStatusRoutes(async () =>
        clusterStatus(
          nodes.list(),
          volumes.list(),
          (await currentLeader(store))?.name,
          (await events.list()).slice(-eventsShown),
          [...nodes.snapshot().refusals.values()],
        ),
      ),
      clusterRebuildRoutes(new Rebuild({ ...shared, nodes, events })),
      clusterVolumeRoutes(volumes),
      clusterSnapshotRoutes(new ClusterSnapshots({ ...shared, state, nodes })),
      clusterDaemonRoutes({ nodes, volumes, version }),
      tokenRoutes(tokens),
      ...(joinTokens === undefined ? [] : [joinTokenRoutes(joinTokens)]),
    ],
  });
  doors.serve((request, response) => app.routing(request, response));
  closing.push(() => doors.close()); // first of all: nobody is answered by what is closed
  const http = bound === undefined ? [] : [`api ${formatHttp(bound)}/v1/`];
  return [...place, ...http, `api unix:${paths.apiSocket}`];
}

interface OpenedStore {
  readonly store: Store;
  /** Where others reach it, for a person. */
  readonly place: readonly string[];
  /** Absent: with etcd nodes do not join by a controller. */
  readonly joinTokens?: JoinTokens;
}

async function openStore(
  { storeSource, listen, joinListen, tlsNames, dataDirectory }: ControllerSettings,
  local: Store,
  who: Pick<Refusal, 'id' | 'name' | 'kind'>,
  log: Log,
  closing: Closing,
): Promise<OpenedStore> {
  const isEtcd = storeSource.kind === 'etcd';
  const opened = isEtcd ? await openClusterEtcd(local, dataDirectory, storeSource, log) : { store: local };
  if ('close' in opened) closing.push(() => opened.close());
  // Beside an embedded store: what is put back to what it was must not be what tells so.
  const marks = isEtcd ? marksInStore(local) : marksInFile(statePaths(dataDirectory).storeMark);
  await noteOpening(opened.store);
  const lineage = await watchLineage({ opened, marks, who, log });
  closing.push(() => lineage.close());
  await firstLook(lineage);
  if (isEtcd) return { store: opened.store, place: [] };
  const authority = await Authority.open(statePaths(dataDirectory).authority);
  const doors = await ClusterDoors.open({
    ...{ authority, log, names: tlsNames, observation: storeObservation },
    admission: new Admission(local),
    listen: await numeric(listen),
    ...(joinListen !== undefined && { joinListen: await numeric(joinListen) }),
    addServices: (server) => server.add<StoreService>(storeService(), storeHandlers(local)),
  });
  closing.push(() => doors.close());
  return { store: local, place: doors.places, joinTokens: new JoinTokens(local, authority.keyHash) };
}

async function numeric({ host, port }: HostPort): Promise<HostPort> {
  return { host: await resolveHost(host), port };
}
