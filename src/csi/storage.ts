// What CSI asks of a daemon, or of the controller of a cluster, as an interface over src/client: a test
// hands in another. Every answer is that of the REST API, one of a controller in the words of a daemon
// (cluster.ts). Nothing of a request is kept here.

import type { HostPort } from '../base/address.js';
import {
  ApiClient,
  type NewVolumeBody,
  type PoolBody,
  type VolumeBody,
  type VolumePatchBody,
} from '../client/api-client.js';
import type { ClusterPoolBody } from '../client/cluster-client.js';
import { RemoteError } from '../client/remote-error.js';
import { ask } from '../client/transport.js';
import { volumeOf } from './cluster.js';
import type { ClusterParameters } from './parameters.js';

export interface NodeFacts {
  readonly listeners: readonly { readonly host: string; readonly port: number }[];
}

export interface StorageVolume extends VolumeBody {
  /** Of a cluster: where hosts reach it, one for each node with a replica. */
  readonly addresses?: readonly HostPort[];
  readonly cluster?: ClusterParameters;
  /** Of a cluster: what its next step waits for. */
  readonly waitingFor?: string;
}

export type StoragePool = PoolBody | ClusterPoolBody;
export type NewStorageVolume = NewVolumeBody & ClusterParameters;

export interface Storage
  extends Pick<
    ApiClient,
    | 'volumes'
    | 'volume'
    | 'deleteVolume'
    | 'hosts'
    | 'grantHost'
    | 'revokeHost'
    | 'snapshots'
    | 'allSnapshots'
    | 'createSnapshots'
    | 'deleteSnapshot'
    | 'extents'
    | 'announcePod'
    | 'withdrawPod'
  > {
  pools(): Promise<readonly StoragePool[]>;
  volumes(): Promise<readonly StorageVolume[]>;
  volume(name: string): Promise<StorageVolume>;
  createVolume(body: NewStorageVolume): Promise<StorageVolume>;
  changeVolume(name: string, change: VolumePatchBody): Promise<StorageVolume>;
  node(): Promise<NodeFacts>;
  /** Of a cluster, all of its nodes; fails of a daemon. */
  storageNodes(): Promise<readonly StorageNode[]>;
}

export interface StorageNode {
  readonly name: string;
  readonly hostNqn: string;
  readonly state: string;
  readonly zone?: string;
}

export class RestStorage extends ApiClient implements Storage {
  async node(): Promise<NodeFacts> {
    return (await ask(this.endpoint, { method: 'GET', path: 'node' })) as NodeFacts;
  }

  async storageNodes(): Promise<readonly StorageNode[]> {
    const asked = ask(this.endpoint, { method: 'GET', path: 'cluster/nodes' });
    return ((await asked) as { readonly nodes: readonly StorageNode[] }).nodes;
  }

  override async volumes(): Promise<readonly StorageVolume[]> {
    return (await super.volumes()).flatMap((body) => volumeOf(body) ?? []);
  }

  override async volume(name: string): Promise<StorageVolume> {
    return found(name, volumeOf(await super.volume(name)));
  }

  override async changeVolume(name: string, change: VolumePatchBody): Promise<StorageVolume> {
    return found(name, volumeOf(await super.changeVolume(name, change)));
  }

  override async createVolume(body: NewStorageVolume): Promise<StorageVolume> {
    return found(body.name, volumeOf(await super.createVolume(body)));
  }
}

function found(name: string, volume: StorageVolume | undefined): StorageVolume {
  if (volume !== undefined) return volume;
  throw new RemoteError('VOLUME_NOT_FOUND', `volume '${name}' is being deleted`, 404, { volume: name });
}
