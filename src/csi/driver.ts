// The driver as a whole: its services on one socket. Constructed in src/main.
import { KeyedLock } from '../base/keyed-lock.js';
import type { Log } from '../base/log.js';
import { RpcServer } from '../rpc/server.js';
import { checkSizes } from './checks.js';
import { controller } from './controller.js';
import { groupController } from './group-controller.js';
import { driverNameDefault, identity } from './identity.js';
import type {
  ControllerService,
  GroupControllerService,
  IdentityService,
  PluginCapabilityServiceType,
  SnapshotMetadataService,
} from './messages.js';
import type { Parts } from './parts.js';
import { changesSomething, csiService, csiServices, hiddenFields } from './services.js';
import { SnapshotDirectory } from './snapshot-directory.js';
import { snapshotMetadata } from './snapshot-metadata.js';
import type { Storage } from './storage.js';
import type { Segments } from './topology.js';
import { VolumeDirectory } from './volume-directory.js';

export interface CsiDriverOptions {
  readonly storage: Storage;
  readonly log: Log;
  readonly version: string;
  readonly driverName?: string;
  /** Where the volumes of the daemon can be reached from; none: from everywhere. */
  readonly topology?: Segments;
  /** HOST:PORT that nodes use; none: where the daemon says that it listens. */
  readonly targetAddresses?: readonly string[];
}

/** With the services of a controller; listen() opens it. */
export function newCsiController(options: CsiDriverOptions): RpcServer {
  const { storage, log, version, driverName = driverNameDefault, topology, targetAddresses = [] } = options;
  const { mapFields } = csiServices();
  const server = new RpcServer({
    log,
    hidden: hiddenFields(),
    changes: changesSomething,
    check: (request) => checkSizes(request, mapFields),
  });
  const volumes = new VolumeDirectory(storage);
  const snapshots = new SnapshotDirectory(storage, volumes);
  const parts: Parts = {
    storage,
    volumes,
    snapshots,
    locks: new KeyedLock(),
    log,
    topology,
    targetAddresses,
  };
  const services: PluginCapabilityServiceType[] = [
    'CONTROLLER_SERVICE',
    'GROUP_CONTROLLER_SERVICE',
    'SNAPSHOT_METADATA_SERVICE',
  ];
  if (topology !== undefined) services.push('VOLUME_ACCESSIBILITY_CONSTRAINTS');
  server.add<IdentityService>(csiService('Identity'), identity({ driverName, version, services, storage }));
  server.add<ControllerService>(csiService('Controller'), controller(parts));
  server.add<GroupControllerService>(csiService('GroupController'), groupController(parts));
  server.add<SnapshotMetadataService>(csiService('SnapshotMetadata'), snapshotMetadata(parts));
  return server;
}
