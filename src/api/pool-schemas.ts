// Pools as the API tells of them. Called by routes/pools.ts; src/client takes its types from here.
import { type Static, Type } from '@sinclair/typebox';
import type { PoolView } from '../pools/types.js';
import { Bytes, Count, count, ref } from './schemas.js';

export const Scrub = Type.Object({
  running: Type.Boolean(),
  doneBytes: Count,
  totalBytes: Count,
  errors: Type.Unsafe<number | string>({
    ...Count,
    description: 'Blocks of 4 KiB that could not be read, or whose checksum was wrong.',
  }),
});

export const Pool = Type.Object(
  {
    name: Type.String(),
    uuid: Type.String(),
    state: Type.Unsafe<PoolView['state']>({
      type: 'string',
      enum: ['open', 'missing', 'broken'],
      description: 'open: its volumes are served. missing: a device is not there. broken: a disk failed.',
    }),
    error: Type.Optional(Type.String({ description: 'Why it is not open.' })),
    problems: Type.Array(Type.String(), { description: 'Volumes of it that are not served, and why.' }),
    paths: Type.Array(Type.String(), { description: 'Its devices, as this daemon opens them.' }),
    devices: Type.Optional(
      Type.Array(Type.Object({ uuid: Type.String(), path: Type.String(), sizeBytes: Count })),
    ),
    checksums: Type.Optional(Type.Boolean()),
    extentBytes: Type.Optional(Type.Integer()),
    capacityBytes: Type.Optional(Count),
    usedBytes: Type.Optional(Count),
    freeBytes: Type.Optional(Count),
    withoutMetadataBytes: Type.Optional(
      Type.Unsafe<number | string>({
        ...Count,
        description: 'Room of the devices that cannot be used: metadata was set aside for less.',
      }),
    ),
    metadataBytes: Type.Optional(Count),
    metadataUsedBytes: Type.Optional(Count),
    provisionedBytes: Type.Optional(
      Type.Unsafe<number | string>({ ...Count, description: 'The sum of the sizes of its volumes.' }),
    ),
    overcommitPercent: Type.Optional(Type.Integer()),
    reservePercent: Type.Optional(Type.Integer()),
    volumes: Type.Optional(Type.Integer()),
    layers: Type.Optional(
      Type.Integer({ description: 'Volumes, snapshots, and deleted ones whose room is not free yet.' }),
    ),
    working: Type.Optional(
      Type.Boolean({ description: 'The room of deleted volumes and snapshots is being freed.' }),
    ),
    scrub: Type.Optional(Scrub),
  },
  { $id: 'Pool', description: 'What has no value is of a pool that is not open.' },
);
export type PoolBody = Static<typeof Pool>;

const Device = Type.Object(
  {
    path: Type.String({ minLength: 1, description: 'Absolute, on the machine of the daemon.' }),
    sizeBytes: Type.Optional(
      Type.Unsafe<number | string>({ ...Bytes, description: 'Makes a missing file of this size, sparse.' }),
    ),
  },
  { additionalProperties: false },
);
export const NewDevice = Device;

const policy = {
  overcommitPercent: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      description: 'What the sizes of all volumes together may be, of the capacity. Default 0: no bound.',
    }),
  ),
  reservePercent: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 90,
      description:
        'While less of the capacity is free no volume, clone or snapshot is made and none grows. Default 0.',
    }),
  ),
};
export const Policy = Type.Object(policy, { additionalProperties: false });
export type PolicyBody = Static<typeof Policy>;

export const NewPool = Type.Object(
  {
    name: Type.String(),
    devices: Type.Array(Device),
    checksums: Type.Optional(Type.Boolean({ description: 'Default: true.' })),
    extentBytes: Type.Optional(Type.Integer({ description: '262144, 524288 or 1048576, the default.' })),
    growsToBytes: Type.Optional(
      Type.Unsafe<number | string>({
        ...Bytes,
        description: 'Sets metadata aside for so much of all devices, with those that are added later.',
      }),
    ),
    ...policy,
    force: Type.Optional(Type.Boolean({ description: 'Overwrites a pool that is on the devices.' })),
  },
  { additionalProperties: false },
);
export type NewPoolBody = Static<typeof NewPool>;

export const Import = Type.Object(
  { paths: Type.Array(Type.String({ minLength: 1 })) },
  { additionalProperties: false },
);

export const NewScrub = Type.Object(
  {
    bytesPerSecond: Type.Optional(
      Type.Unsafe<number | string>({ ...Bytes, description: 'Default 0: as fast as it goes.' }),
    ),
  },
  { additionalProperties: false },
);

export const PoolList = Type.Object({ pools: Type.Array(ref(Pool)) });

export function poolBody({ name, uuid, state, error, problems, paths, info }: PoolView): PoolBody {
  return {
    name,
    uuid,
    state,
    ...(error !== undefined && { error }),
    problems: [...problems],
    paths: [...paths],
    ...(info !== undefined && {
      devices: info.devices.map((one) => ({
        uuid: one.uuid,
        path: one.path,
        sizeBytes: count(one.sizeBytes),
      })),
      checksums: info.checksums,
      extentBytes: info.extentBytes,
      capacityBytes: count(info.capacityBytes),
      usedBytes: count(info.usedBytes),
      freeBytes: count(info.freeBytes),
      withoutMetadataBytes: count(info.withoutMetadataBytes),
      metadataBytes: count(info.metadataBytes),
      metadataUsedBytes: count(info.metadataUsedBytes),
      provisionedBytes: count(info.provisionedBytes),
      overcommitPercent: info.overcommitPercent,
      reservePercent: info.reservePercent,
      volumes: info.volumesCount,
      layers: info.layersCount,
      working: info.working,
      scrub: {
        running: info.scrub.running,
        doneBytes: count(info.scrub.doneBytes),
        totalBytes: count(info.scrub.totalBytes),
        errors: count(info.scrub.errors),
      },
    }),
  };
}
