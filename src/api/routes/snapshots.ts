// Snapshots of volumes, and what a volume or a snapshot holds or differs in: for backup, which reads what
// changed and no more.
import { Type } from '@sinclair/typebox';
import type { Snapshots } from '../../pools/snapshots.js';
import type { RouteModule } from '../app-types.js';
import { BytesText, Name, ref } from '../schemas.js';
import {
  Extents,
  extentsBody,
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

type View = Parameters<typeof snapshotBody>[0];
type Soon<T> = T | Promise<T>;

/** As Snapshots of a daemon with pools, and ClusterSnapshots. */
export interface CommonSnapshots {
  list(volume: string): Soon<readonly View[]>;
  listAll(wanted: {
    readonly countMax: number;
    readonly after?: string;
    readonly name?: string;
  }): Soon<{ readonly snapshots: readonly View[]; readonly next?: string }>;
  get(volume: string, name: string): Soon<View>;
  create(wanted: readonly { readonly volume: string; readonly name: string }[]): Promise<readonly View[]>;
  createOne(volume: string, name: string): Promise<View>;
  delete(volume: string, name: string): Promise<unknown>;
}

/** What the OpenAPI document says of them. */
export interface SnapshotWords {
  readonly ofVolume: string;
  readonly one: string;
  readonly take: string;
  readonly takeSeveral: string;
  readonly delete: string;
  /** Of the answer to that. */
  readonly deleted: string;
}

export type SnapshotsSource = CommonSnapshots & Pick<Snapshots, 'ranges'>;

const daemonWords: SnapshotWords = {
  ofVolume: 'The snapshots of a volume',
  one: 'One snapshot',
  take: 'Takes a snapshot',
  takeSeveral: 'Takes snapshots of several volumes at one moment',
  delete: 'Deletes a snapshot; clones of it stay',
  deleted: 'It is gone',
};

const viewer = { access: 'viewer' } as const;
const operator = { access: 'operator' } as const;
const limitDefault = 1024;
const Wanted = Type.Object({
  snapshot: Type.Optional(
    Type.String({ description: 'What is looked at; default: the volume as it is now.' }),
  ),
  since: Type.Optional(
    Type.String({ description: 'An older snapshot: what differs from it. Default: what is allocated.' }),
  ),
  offset: Type.Optional(BytesText),
  limit: Type.Optional(
    Type.String({ pattern: '^[0-9]{1,4}$', description: `1 to 4096, default ${limitDefault}.` }),
  ),
});

export function snapshotRoutes(snapshots: SnapshotsSource): RouteModule {
  return (app) => {
    commonSnapshotRoutes(snapshots, daemonWords)(app);
    app.addSchema(Extents);
    app.get(
      '/v1/volumes/:name/extents',
      {
        config: viewer,
        schema: {
          summary: 'What is allocated, or what differs from an older snapshot',
          params: Name,
          querystring: Wanted,
          response: { 200: ref(Extents) },
        },
      },
      async ({ params, query: { snapshot, since, offset, limit } }) =>
        extentsBody(
          await snapshots.ranges(params.name, {
            countMax: limit === undefined ? limitDefault : Number(limit),
            ...(snapshot !== undefined && { snapshot }),
            ...(since !== undefined && { since }),
            ...(offset !== undefined && { offsetBytes: BigInt(offset) }),
          }),
        ),
    );
  };
}

/** Those that a daemon with pools and a cluster have alike: who speaks to one can speak to the other. */
export function commonSnapshotRoutes(snapshots: CommonSnapshots, words: SnapshotWords): RouteModule {
  return (app) => {
    app.addSchema(Snapshot);
    app.get(
      '/v1/volumes/:name/snapshots',
      {
        config: viewer,
        schema: { summary: words.ofVolume, params: Name, response: { 200: SnapshotList } },
      },
      async ({ params }) => ({ snapshots: (await snapshots.list(params.name)).map(snapshotBody) }),
    );
    app.get(
      '/v1/volumes/:name/snapshots/:snapshot',
      {
        config: viewer,
        schema: { summary: words.one, params: SnapshotBoth, response: { 200: ref(Snapshot) } },
      },
      async ({ params }) => snapshotBody(await snapshots.get(params.name, params.snapshot)),
    );
    app.post(
      '/v1/volumes/:name/snapshots',
      {
        config: operator,
        schema: {
          summary: words.take,
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
        const countMax = snapshotsOnPage(limit);
        const { snapshots: found, next } = await snapshots.listAll({ countMax, ...rest });
        return { snapshots: found.map(snapshotBody), ...(next !== undefined && { next }) };
      },
    );
    app.post(
      '/v1/snapshots',
      {
        config: operator,
        schema: {
          summary: words.takeSeveral,
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
          summary: words.delete,
          params: SnapshotBoth,
          response: { 204: Type.Null({ description: words.deleted }) },
        },
      },
      async ({ params }, reply) => {
        await snapshots.delete(params.name, params.snapshot);
        return reply.code(204).send(null);
      },
    );
  };
}
