// The driver as a whole: its services on one socket. Constructed in src/main.
import type { Attacher } from '../attach/types.js';
import type { HostIdentity } from '../base/identity.js';
import { KeyedLock } from '../base/keyed-lock.js';
import type { Log } from '../base/log.js';
import { RpcServer } from '../rpc/server.js';
import { checkSizes } from './checks.js';
import { controller as controllerService } from './controller.js';
import { groupController } from './group-controller.js';
import { driverNameDefault, identity } from './identity.js';
import type {
  ControllerService,
  GroupControllerService,
  IdentityService,
  NodeService,
  PluginCapabilityServiceType,
  SnapshotMetadataService,
} from './messages.js';
import { Places } from './mounter/place.js';
import type { Mounter } from './mounter/types.js';
import { node as nodeService } from './node/node.js';
import type { NodeParts } from './node/parts.js';
import { PodReports } from './node/pods.js';
import { VolumeRecords } from './node/records.js';
import { zoneOfMachine } from './node/zone.js';
import type { Parts } from './parts.js';
import { changesSomething, csiService, csiServices, hiddenFields } from './services.js';
import { SnapshotDirectory } from './snapshot-directory.js';
import { snapshotMetadata } from './snapshot-metadata.js';
import type { Storage } from './storage.js';
import type { Segments } from './topology.js';
import { VolumeDirectory } from './volume-directory.js';

export interface CsiCommonOptions {
  readonly storage: Storage;
  readonly log: Log;
  readonly version: string;
  readonly driverName?: string;
}

export interface CsiControllerOptions {
  /** Where the volumes of the daemon can be reached from; none: from everywhere. */
  readonly topology?: Segments;
  /** Label under which zones of a storage cluster are told. */
  readonly zoneKey?: string;
  /** HOST:PORT that nodes use; none: where the daemon says that it listens. */
  readonly targetAddresses?: readonly string[];
}

export interface CsiNodeOptions {
  readonly attacher: Attacher;
  readonly mounter: Mounter;
  /** Absolute; targets and stagings lie below it. */
  readonly kubeletDirectory: string;
  /** Where what has to be known later is kept; survives a start of the machine. */
  readonly stateDirectory: string;
  readonly host: HostIdentity;
  readonly topology?: Segments;
  /** As that of a controller; where `topology` does not have it, the cluster says where this machine is. */
  readonly zoneKey?: string;
  readonly hostName?: string;
  /** How many volumes this node takes; 0: as many as come. */
  readonly volumesMax?: number;
  /** As that of a controller, for volumes that live as long as a pod. */
  readonly targetAddresses?: readonly string[];
}

export interface CsiDriverOptions extends CsiCommonOptions, CsiControllerOptions {}

/** With the services of a controller; listen() opens it. */
export function newCsiController(options: CsiDriverOptions): RpcServer {
  return newCsiServer(options, { controller: options });
}

/** With the services of a controller, of a node, or of both. */
export function newCsiServer(
  { storage, log, version, driverName = driverNameDefault }: CsiCommonOptions,
  { controller, node }: { readonly controller?: CsiControllerOptions; readonly node?: CsiNodeOptions },
): RpcServer {
  const { mapFields } = csiServices();
  const server = new RpcServer({
    log,
    hidden: hiddenFields(),
    changes: changesSomething,
    check: (request) => checkSizes(request, mapFields),
  });
  const services: PluginCapabilityServiceType[] = [];
  if (controller !== undefined) {
    services.push('CONTROLLER_SERVICE', 'GROUP_CONTROLLER_SERVICE', 'SNAPSHOT_METADATA_SERVICE');
    addController(server, storage, log, controller);
  }
  if (node !== undefined) addNode(server, storage, log, node);
  const { topology, zoneKey } = controller ?? node ?? {};
  if (topology !== undefined || zoneKey !== undefined) services.push('VOLUME_ACCESSIBILITY_CONSTRAINTS');
  const probed = controller === undefined ? {} : { storage };
  server.add<IdentityService>(csiService('Identity'), identity({ driverName, version, services, ...probed }));
  return server;
}

function addController(
  server: RpcServer,
  storage: Storage,
  log: Log,
  { topology, zoneKey, targetAddresses = [] }: CsiControllerOptions,
): void {
  const volumes = new VolumeDirectory(storage);
  const snapshots = new SnapshotDirectory(storage, volumes);
  const locks = new KeyedLock();
  const parts: Parts = { storage, volumes, snapshots, locks, log, topology, zoneKey, targetAddresses };
  server.add<ControllerService>(csiService('Controller'), controllerService(parts));
  server.add<GroupControllerService>(csiService('GroupController'), groupController(parts));
  server.add<SnapshotMetadataService>(csiService('SnapshotMetadata'), snapshotMetadata(parts));
}

function addNode(server: RpcServer, storage: Storage, log: Log, options: CsiNodeOptions): void {
  const { attacher, mounter, kubeletDirectory, stateDirectory, host } = options;
  const { topology, zoneKey, hostName = '', volumesMax = 0, targetAddresses = [] } = options;
  const parts: NodeParts = {
    storage,
    attacher,
    mounter,
    places: new Places(kubeletDirectory),
    records: new VolumeRecords(stateDirectory),
    locks: new KeyedLock(),
    pods: new PodReports(storage, log),
    log,
    hostNqn: host.hostNqn,
    hostId: host.hostId,
    targetAddresses,
  };
  const machine = { hostNqn: host.hostNqn, hostName };
  const zone =
    zoneKey === undefined || topology?.[zoneKey] !== undefined
      ? undefined
      : () => zoneOfMachine(storage, machine, zoneKey);
  server.add<NodeService>(csiService('Node'), nodeService(parts, { topology, zone, volumesMax }));
  // Best effort, and nothing waits for it.
  void parts.pods.announceAll(parts.records);
}
