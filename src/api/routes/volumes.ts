// /v1/volumes: what this daemon serves, with its counters: volumes of pools, and those of the command line.
// The former can be made, changed and deleted here, by operators.
import { Type } from '@sinclair/typebox';
import { VolumeNotFoundError } from '../../base/control-errors.js';
import { InvalidArgumentError } from '../../base/errors.js';
import type { Hosts } from '../../pools/hosts.js';
import type { VolumeView } from '../../pools/types.js';
import type { Volumes } from '../../pools/volumes.js';
import type { RouteModule } from '../app-types.js';
import { Flag, Force, Name, ref } from '../schemas.js';
import { sendList } from '../send-list.js';
import type { DataPlane, DataPlaneCounters, VolumeFacts } from '../sources.js';
import {
  allocatedOf,
  NewVolume,
  Revert,
  Volume,
  type VolumeBody,
  VolumeList,
  VolumePatch,
  volumeBody,
} from '../volume-schemas.js';

export type VolumesSource = Pick<
  Volumes,
  'list' | 'find' | 'allocations' | 'create' | 'change' | 'revert' | 'serve' | 'delete' | 'eraseKey'
>;

const viewer = { access: 'viewer' } as const;
const operator = { access: 'operator' } as const;
const Deletion = Type.Object({
  erase: Type.Optional(
    Type.Unsafe<'true' | 'false'>({
      ...Flag,
      description: 'Zeroes what it held before its room is used again.',
    }),
  ),
  cryptoErase: Type.Optional(
    Type.Unsafe<'true' | 'false'>({ ...Flag, description: 'Discards its key first; it must be encrypted.' }),
  ),
  force: Type.Optional(
    Type.Unsafe<'true' | 'false'>({ ...Flag, description: 'Also while hosts are connected or granted it.' }),
  ),
});

export function volumeRoutes(
  dataPlane: Pick<DataPlane, 'volumes' | 'counters' | 'volumeCounters'>,
  volumes: VolumesSource,
  hostsOf: Pick<Hosts, 'open'>,
): RouteModule {
  const one = (view: Parameters<typeof volumeBody>[0] & { readonly info: { readonly name: string } }) =>
    volumeBody(view, dataPlane.volumeCounters(view.info.name));
  const otherOf = (name: string) => {
    const others = dataPlane.volumes();
    const uuid = name.toLowerCase();
    return others.find((volume) => volume.name === name) ?? others.find((volume) => volume.uuid === uuid);
  };
  const find = (name: string): VolumeBody => {
    const found = volumes.find(name) ?? otherOf(name);
    if (found === undefined) throw new VolumeNotFoundError(name);
    return volumeBody(found, dataPlane.volumeCounters('info' in found ? found.info.name : found.name));
  };
  // What is not of a pool is served as the command line says, until the daemon ends.
  const changeable = (name: string) => {
    if (volumes.find(name) !== undefined) return;
    const { kind } = find(name);
    throw new InvalidArgumentError(
      'volume',
      `a volume of a pool; '${name}' is of the command line (${kind})`,
    );
  };
  return (app) => {
    app.addSchema(Volume);
    app.get(
      '/v1/volumes',
      { config: viewer, schema: { summary: 'The volumes', response: { 200: VolumeList } } },
      async (_request, reply) => {
        const allocated = await volumes.allocations();
        const counters = dataPlane.counters();
        const all = [...dataPlane.volumes(), ...volumes.list()];
        return sendList(reply, {}, 'volumes', bodiesOf(all, counters, allocated));
      },
    );
    app.get(
      '/v1/volumes/:name',
      { config: viewer, schema: { summary: 'One volume', params: Name, response: { 200: ref(Volume) } } },
      async ({ params }) => {
        const allocated = await volumes.allocations(params.name);
        const body = find(params.name);
        return { ...body, ...allocatedOf(body.uuid, allocated) };
      },
    );
    app.post(
      '/v1/volumes',
      {
        config: operator,
        schema: {
          summary: 'Makes a volume and serves it; with a source, a clone of a snapshot',
          body: NewVolume,
          response: { 201: ref(Volume) },
        },
      },
      async ({ body: { sizeBytes, hosts, qos, ...rest } }, reply) => {
        const size = sizeBytes === undefined ? {} : { sizeBytes: BigInt(sizeBytes) };
        const grants = hosts?.map((nqn) => ({ nqn, exclusive: false }));
        const settings = {
          settings: { ...(grants !== undefined && { hosts: grants }), ...(qos !== undefined && { qos }) },
        };
        return reply // its counters are zero
          .code(201)
          .send(volumeBody(await volumes.create({ ...rest, ...size, ...settings }), undefined));
      },
    );
    app.patch(
      '/v1/volumes/:name',
      {
        config: operator,
        schema: {
          summary:
            'Resizes a volume (hosts are told), renames it (it is not served for a moment), lets any host in',
          params: Name,
          body: VolumePatch,
          response: { 200: ref(Volume) },
        },
      },
      async ({ params, body: { sizeBytes, hosts, ...rest } }) => {
        changeable(params.name);
        if (hosts === null) await hostsOf.open(params.name);
        const size = sizeBytes === undefined ? {} : { sizeBytes: BigInt(sizeBytes) };
        return one(await volumes.change(params.name, { ...rest, ...size }));
      },
    );
    app.delete(
      '/v1/volumes/:name',
      {
        config: operator,
        schema: {
          summary: 'Deletes a volume that has no snapshots and that no host uses or has been granted',
          params: Name,
          querystring: Deletion,
          response: { 204: Type.Null({ description: 'It is gone' }) },
        },
      },
      async ({ params, query }, reply) => {
        changeable(params.name);
        const isSet = (flag: 'true' | 'false' | undefined) => flag === 'true';
        await volumes.delete(params.name, {
          erase: isSet(query.erase),
          cryptoErase: isSet(query.cryptoErase),
          force: isSet(query.force),
        });
        return reply.code(204).send(null);
      },
    );
    app.post(
      '/v1/volumes/:name/revert',
      {
        config: operator,
        schema: {
          summary: 'Takes a volume back to a snapshot of its own; it is not served for a moment',
          params: Name,
          body: Revert,
          response: { 200: ref(Volume) },
        },
      },
      async ({ params, body: { snapshot, force = false } }) => {
        changeable(params.name);
        return one(await volumes.revert(params.name, snapshot, { force }));
      },
    );
    app.post(
      '/v1/volumes/:name/serve',
      {
        config: operator,
        schema: {
          summary: 'Serves a volume that is not served, when what kept it from being is gone',
          params: Name,
          response: { 200: ref(Volume) },
        },
      },
      async ({ params }) => {
        changeable(params.name);
        return one(await volumes.serve(params.name));
      },
    );
    app.post(
      '/v1/volumes/:name/erase-key',
      {
        config: operator,
        schema: {
          summary: 'Discards the key of an encrypted volume: nobody can read it any more',
          params: Name,
          body: Force,
          response: { 200: ref(Volume) },
        },
      },
      async ({ params, body: { force = false } }) => {
        changeable(params.name);
        return one(await volumes.eraseKey(params.name, { force }));
      },
    );
  };
}

function* bodiesOf(
  volumes: readonly (VolumeFacts | VolumeView)[],
  counters: DataPlaneCounters,
  allocated: ReadonlyMap<string, bigint>,
): Generator<VolumeBody> {
  for (const volume of volumes) {
    const body = volumeBody(volume, counters.volume('info' in volume ? volume.info.name : volume.name));
    yield { ...body, ...allocatedOf(body.uuid, allocated) };
  }
}
