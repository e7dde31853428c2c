// Snapshots of the volumes of a cluster, under the paths and in the words of a daemon with pools: who speaks
// to one can speak to the other.

import { Type } from '@sinclair/typebox';
import type { ClusterSnapshots } from '../../controller/snapshots.js';
import type { RouteModule } from '../app-types.js';
import { Name, ref } from '../schemas.js';
import {
  NewSnapshot,
  NewSnapshots,
  Snapshot,
  SnapshotBoth,
  SnapshotList,
  SnapshotPage,
  SnapshotPageWanted,
  snapshotBody,
  snapshotsOnPage,
} from '../volume-schemas.js';

export type ClusterSnapshotsSource = Pick<
  ClusterSnapshots,
  'list' | 'listAll' | 'get' | 'create' | 'createOne' | 'delete'
>;

const viewer = { access: 'viewer' } as const;
const operator = { access: 'operator' } as const;

export function clusterSnapshotRoutes(snapshots: ClusterSnapshotsSource): RouteModule {
  return (app) => {
    app.addSchema(Snapshot);
    app.get(
      '/v1/volumes/:name/snapshots',
      {
        config: viewer,
        schema: {
          summary: 'The snapshots of a volume; not what is being taken or deleted',
          params: Name,
          response: { 200: SnapshotList },
        },
      },
      async ({ params }) => ({ snapshots: snapshots.list(params.name).map(snapshotBody) }),
    );
    app.get(
      '/v1/volumes/:name/snapshots/:snapshot',
      {
        config: viewer,
        schema: {
          summary: 'One snapshot, also while it is being taken or deleted',
          params: SnapshotBoth,
          response: { 200: ref(Snapshot) },
        },
      },
      async ({ params }) => snapshotBody(snapshots.get(params.name, params.snapshot)),
    );
    app.post(
      '/v1/volumes/:name/snapshots',
      {
        config: operator,
        schema: {
          summary: 'Takes a snapshot of all replicas in sync',
          params: Name,
          body: NewSnapshot,
          response: { 201: ref(Snapshot) },
        },
      },
      async ({ params, body }, reply) =>
        reply.code(201).send(snapshotBody(await snapshots.createOne(params.name, body.name))),
    );
    app.get(
      '/v1/snapshots',
      {
        config: viewer,
        schema: {
          summary: 'The snapshots of all volumes, in pages of whole volumes',
          querystring: SnapshotPageWanted,
          response: { 200: SnapshotPage },
        },
      },
      async ({ query: { limit, ...rest } }) => {
        const { snapshots: found, next } = snapshots.listAll({ countMax: snapshotsOnPage(limit), ...rest });
        return { snapshots: found.map(snapshotBody), ...(next !== undefined && { next }) };
      },
    );
    app.post(
      '/v1/snapshots',
      {
        config: operator,
        schema: {
          summary: 'Takes a snapshot of one volume; of several is CLUSTER_UNSUPPORTED',
          body: NewSnapshots,
          response: { 201: SnapshotList },
        },
      },
      async ({ body }, reply) => {
        const made = await snapshots.create(body.snapshots);
        return reply.code(201).send({ snapshots: made.map(snapshotBody) });
      },
    );
    app.delete(
      '/v1/volumes/:name/snapshots/:snapshot',
      {
        config: operator,
        schema: {
          summary: 'Deletes a snapshot; what is on nodes that are away goes when they are back',
          params: SnapshotBoth,
          response: { 204: Type.Null({ description: 'It is gone, or being deleted' }) },
        },
      },
      async ({ params }, reply) => {
        await snapshots.delete(params.name, params.snapshot);
        return reply.code(204).send(null);
      },
    );
  };
}
