// What CSI asks of a daemon, as an interface over src/client: a test or a cluster hands in another. Every
// answer is that of the REST API. Nothing of a request is kept here.
import { ApiClient } from '../client/api-client.js';
import { ask } from '../client/transport.js';

export interface NodeFacts {
  readonly listeners: readonly { readonly host: string; readonly port: number }[];
}

export interface Storage
  extends Pick<
    ApiClient,
    | 'pools'
    | 'volumes'
    | 'volume'
    | 'createVolume'
    | 'changeVolume'
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
  node(): Promise<NodeFacts>;
}

export class RestStorage extends ApiClient implements Storage {
  async node(): Promise<NodeFacts> {
    return (await ask(this.endpoint, { method: 'GET', path: 'node' })) as NodeFacts;
  }
}
