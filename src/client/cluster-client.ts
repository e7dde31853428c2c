// The REST API of a controller, a method for each route that commands use.
import type {
  ClusterNodeBody,
  ClusterPoolBody,
  ClusterRebuildBody,
  ClusterStatusBody,
  ClusterVolumeBody,
  ExplanationBody,
  NewClusterVolumeBody,
} from '../api/cluster-schemas.js';
import type { NodeAction } from '../base/node-actions.js';
import type { Endpoint } from './endpoint.js';
import { ask, type Request } from './transport.js';

export type {
  ClusterNodeBody,
  ClusterPoolBody,
  ClusterRebuildBody,
  ClusterStatusBody,
  ClusterVolumeBody,
  ExplanationBody,
  NewClusterVolumeBody,
};

export class ClusterClient {
  constructor(readonly endpoint: Endpoint) {}

  status(): Promise<ClusterStatusBody> {
    return this.#ask('GET', 'cluster/status');
  }

  rebuild(body: { execute: boolean; without: readonly string[] }): Promise<ClusterRebuildBody> {
    return this.#ask('POST', 'cluster/rebuild', body);
  }

  async nodes(): Promise<readonly ClusterNodeBody[]> {
    return (await this.#ask<{ nodes: ClusterNodeBody[] }>('GET', 'cluster/nodes')).nodes;
  }

  node(name: string): Promise<ClusterNodeBody> {
    return this.#ask('GET', `cluster/nodes/${encodeURIComponent(name)}`);
  }

  act(name: string, action: NodeAction): Promise<ClusterNodeBody> {
    return this.#ask('POST', `cluster/nodes/${encodeURIComponent(name)}/${action}`, {});
  }

  label(name: string, labels: Readonly<Record<string, string>>, zone?: string): Promise<ClusterNodeBody> {
    const body = { labels, ...(zone !== undefined && { zone }) };
    return this.#ask('PUT', `cluster/nodes/${encodeURIComponent(name)}/labels`, body);
  }

  async volumes(): Promise<readonly ClusterVolumeBody[]> {
    return (await this.#ask<{ volumes: ClusterVolumeBody[] }>('GET', 'volumes')).volumes;
  }

  createVolume(body: NewClusterVolumeBody): Promise<ClusterVolumeBody> {
    return this.#ask('POST', 'volumes', body);
  }

  moveHead(name: string, node: string): Promise<ClusterVolumeBody> {
    return this.#ask('POST', `volumes/${encodeURIComponent(name)}/move-head`, { node });
  }

  explain(name: string): Promise<ExplanationBody> {
    return this.#ask('GET', `volumes/${encodeURIComponent(name)}/explain`);
  }

  async #ask<T>(method: Request['method'], path: string, body?: object): Promise<T> {
    // A daemon answers what its OpenAPI document says.
    return (await ask(this.endpoint, { method, path, ...(body && { body }) })) as T;
  }
}
