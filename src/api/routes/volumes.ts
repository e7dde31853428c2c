// GET /v1/volumes and /v1/volumes/NAME: what this daemon serves, with its counters.
import { type Static, Type } from '@sinclair/typebox';
import { VolumeNotFoundError } from '../../base/control-errors.js';
import type { RouteModule } from '../app-types.js';
import { Count, count, ref } from '../schemas.js';
import type { DataPlane, VolumeCounters, VolumeFacts } from '../sources.js';

const Volume = Type.Object(
  {
    name: Type.String(),
    kind: Type.String({ description: 'memory, null or file' }),
    sizeBytes: Count,
    blockSizeBytes: Type.Integer(),
    nqn: Type.String(),
    nsid: Type.Integer(),
    uuid: Type.String(),
    durable: Type.Boolean({ description: 'What was acknowledged survives the process and a power failure.' }),
    counters: Type.Object({
      reads: Count,
      writes: Count,
      readBytes: Count,
      writeBytes: Count,
      errors: Count,
    }),
  },
  { $id: 'Volume' },
);
const Volumes = Type.Object({ volumes: Type.Array(ref(Volume)) });
const Name = Type.Object({ name: Type.String() });

export function volumeRoutes(dataPlane: Pick<DataPlane, 'volumes' | 'counters'>): RouteModule {
  const config = { access: 'viewer' } as const;
  const all = () => {
    const counters = new Map(dataPlane.counters().volumes.map((one) => [one.name, one]));
    return dataPlane.volumes().map((facts) => describe(facts, counters.get(facts.name)));
  };
  return (app) => {
    app.addSchema(Volume);
    app.get(
      '/v1/volumes',
      { config, schema: { summary: 'The volumes that are served', response: { 200: Volumes } } },
      async () => ({ volumes: all() }),
    );
    app.get(
      '/v1/volumes/:name',
      { config, schema: { summary: 'One volume', params: Name, response: { 200: ref(Volume) } } },
      async ({ params: { name } }) => {
        const found = all().find((volume) => volume.name === name);
        if (found === undefined) throw new VolumeNotFoundError(name);
        return found;
      },
    );
  };
}

function describe(facts: VolumeFacts, counters: VolumeCounters | undefined): Static<typeof Volume> {
  const { name, kind, sizeBytes, blockSizeBytes, nqn, nsid, uuid, durable } = facts;
  const { reads = 0n, writes = 0n, readBytes = 0n, writeBytes = 0n, errors = 0n } = counters ?? {};
  return {
    name,
    kind,
    sizeBytes: count(sizeBytes),
    blockSizeBytes,
    nqn,
    nsid,
    uuid,
    durable,
    counters: {
      reads: count(reads),
      writes: count(writes),
      readBytes: count(readBytes),
      writeBytes: count(writeBytes),
      errors: count(errors),
    },
  };
}
