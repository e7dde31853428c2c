// /v1/pools: what pools there are, for everybody who may look; making, giving away and destroying them is for
// admins, verifying them for operators.
import { Type } from '@sinclair/typebox';
import type { Pools } from '../../pools/pools.js';
import type { RouteModule } from '../app-types.js';
import { Import, NewDevice, NewPool, NewScrub, Policy, Pool, PoolList, poolBody } from '../pool-schemas.js';
import { Force, Name, ref } from '../schemas.js';

export type PoolsSource = Pick<
  Pools,
  | 'list'
  | 'get'
  | 'create'
  | 'import'
  | 'addDevice'
  | 'export'
  | 'destroy'
  | 'setPolicy'
  | 'startScrub'
  | 'stopScrub'
>;

const viewer = { access: 'viewer' } as const;
const operator = { access: 'operator' } as const;
const admin = { access: 'admin' } as const;
const done = { 204: Type.Null({ description: 'It is done' }) };

export function poolRoutes(pools: PoolsSource): RouteModule {
  return (app) => {
    app.addSchema(Pool);
    app.get(
      '/v1/pools',
      { config: viewer, schema: { summary: 'The pools', response: { 200: PoolList } } },
      async () => ({ pools: (await pools.list()).map(poolBody) }),
    );
    app.get(
      '/v1/pools/:name',
      { config: viewer, schema: { summary: 'One pool', params: Name, response: { 200: ref(Pool) } } },
      async ({ params }) => poolBody(await pools.get(params.name)),
    );
    app.post(
      '/v1/pools',
      {
        config: admin,
        schema: { summary: 'Makes a pool on files or disks', body: NewPool, response: { 201: ref(Pool) } },
      },
      async ({ body: { devices, growsToBytes, ...rest } }, reply) => {
        const made = await pools.create({
          ...rest,
          devices: devices.map(device),
          ...(growsToBytes !== undefined && { growsToBytes: BigInt(growsToBytes) }),
        });
        return reply.code(201).send(poolBody(made));
      },
    );
    app.post(
      '/v1/pools/import',
      {
        config: admin,
        schema: {
          summary: 'Takes in a pool that is on these devices, in any order',
          body: Import,
          response: { 201: ref(Pool) },
        },
      },
      async ({ body }, reply) => reply.code(201).send(poolBody(await pools.import(body.paths))),
    );
    app.patch(
      '/v1/pools/:name',
      {
        config: admin,
        schema: {
          summary: 'Changes how much of its room may be promised; what is absent stays',
          params: Name,
          body: Policy,
          response: { 200: ref(Pool) },
        },
      },
      async ({ params, body }) => poolBody(await pools.setPolicy(params.name, body)),
    );
    app.post(
      '/v1/pools/:name/devices',
      {
        config: admin,
        schema: { summary: 'Adds a device', params: Name, body: NewDevice, response: { 200: ref(Pool) } },
      },
      async ({ params, body }) => poolBody(await pools.addDevice(params.name, device(body))),
    );
    app.post(
      '/v1/pools/:name/export',
      {
        config: admin,
        schema: {
          summary: 'Closes a pool and forgets it here, to be imported elsewhere',
          params: Name,
          body: Force,
          response: done,
        },
      },
      async ({ params, body }, reply) => {
        await pools.export(params.name, { force: body.force ?? false });
        return reply.code(204).send(null);
      },
    );
    app.delete(
      '/v1/pools/:name',
      {
        config: admin,
        schema: { summary: 'Destroys a pool that has no volumes', params: Name, response: done },
      },
      async ({ params }, reply) => {
        await pools.destroy(params.name);
        return reply.code(204).send(null);
      },
    );
    app.post(
      '/v1/pools/:name/scrub',
      {
        config: operator,
        schema: {
          summary: 'Begins to verify all data; how far it is, GET of the pool tells',
          params: Name,
          body: NewScrub,
          response: { 200: ref(Pool) },
        },
      },
      async ({ params, body }) =>
        poolBody(await pools.startScrub(params.name, BigInt(body.bytesPerSecond ?? 0))),
    );
    app.delete(
      '/v1/pools/:name/scrub',
      {
        config: operator,
        schema: { summary: 'Ends that early', params: Name, response: { 200: ref(Pool) } },
      },
      async ({ params }) => poolBody(await pools.stopScrub(params.name)),
    );
  };
}

function device({ path, sizeBytes }: { readonly path: string; readonly sizeBytes?: number | string }) {
  return sizeBytes === undefined ? { path } : { path, sizeBytes: BigInt(sizeBytes) };
}
