// Records of a cluster as fast-check makes them.
import fc from 'fast-check';
import type { NodeFacts, NodeVolumeFacts } from '../../../src/cluster/model/facts.js';
import { type NodeRecord, nodeStates } from '../../../src/cluster/model/node.js';
import { type VolumeRecord, volumeStates } from '../../../src/cluster/model/volume.js';

export const name = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?$/);
export const uuid = fc.uuid();
const time = fc
  .date({ min: new Date('2020-01-01'), max: new Date('2099-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString());
const labels = fc
  .dictionary(name, fc.stringMatching(/^[a-z0-9]{0,10}$/), { maxKeys: 4 })
  .map((all) => ({ ...all }));
const address = fc.record({ host: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const nqn = uuid.map((id) => `nqn.2014-08.org.nvmexpress:uuid:${id}`);

export const nodeRecord: fc.Arbitrary<NodeRecord> = fc.record(
  {
    id: uuid,
    name,
    addresses: fc.record({ nvme: address, replication: address }),
    hostNqn: nqn,
    labels,
    zone: name,
    state: fc.constantFrom(...nodeStates),
    slot: fc.nat(62),
    joined: time,
  },
  { requiredKeys: ['id', 'name', 'addresses', 'hostNqn', 'labels', 'state', 'slot', 'joined'] },
);

export const nodeFacts: fc.Arbitrary<NodeFacts> = fc.record({
  version: fc.string({ maxLength: 64 }),
  started: time,
  pools: fc.array(
    fc.record(
      {
        name,
        uuid,
        capacityBytes: u64,
        freeBytes: u64,
        error: fc.string({ maxLength: 99 }),
        iopsBudget: fc.nat(),
      },
      { requiredKeys: ['name', 'uuid', 'capacityBytes', 'freeBytes'] },
    ),
    { maxLength: 4 },
  ),
});

export const volumeFacts: fc.Arbitrary<NodeVolumeFacts> = fc.record(
  {
    replica: uuid,
    state: fc.string({ maxLength: 32 }),
    error: fc.string({ maxLength: 99 }),
    resync: fc.array(fc.record({ replica: uuid, doneBytes: u64, totalBytes: u64 }), { maxLength: 4 }),
    hostsRevision: u64,
    sizeMaxBytes: u64,
  },
  { requiredKeys: ['replica', 'state'] },
);

const replicas = fc
  .uniqueArray(fc.tuple(uuid, uuid, name, fc.option(uuid, { nil: undefined })), {
    ...{ minLength: 1, maxLength: 4, selector: ([id]: readonly [string, ...unknown[]]) => id },
  })
  .map((all) =>
    all.map(([id, node, pool, origin]) => ({
      uuid: id,
      node,
      pool,
      ...(origin !== undefined && { origin }),
    })),
  );

const settledVolume: fc.Arbitrary<VolumeRecord> = replicas.chain((placed) =>
  fc.record(
    {
      name,
      uuid,
      nqn,
      sizeBytes: fc.bigInt({ min: 1n, max: 1n << 49n }).map((blocks) => blocks * 4096n),
      blockSizeBytes: fc.constantFrom(512 as const, 4096 as const),
      replicas: fc.constant(placed),
      wishes: fc.record(
        {
          replicas: fc.constant(placed.length),
          minInSync: fc.integer({ min: 1, max: placed.length }),
          thick: fc.boolean(),
          pool: name,
          nodeLabels: labels,
          zones: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
          spread: fc.constantFrom('zone' as const, 'prefer-zone' as const),
          apartGroup: name,
        },
        { requiredKeys: ['replicas', 'minInSync', 'thick', 'spread'] },
      ),
      head: fc.constantFrom(...placed.map(({ node }) => node)),
      hosts: fc.array(nqn, { maxLength: 3 }),
      qos: fc.record(
        { iops: fc.integer({ min: 1000, max: 9000 }), minIops: fc.nat(1000) },
        { requiredKeys: [] },
      ),
      origin: fc.record(
        { volume: uuid, snapshot: uuid, asVolume: fc.constant(true as const) },
        { requiredKeys: ['volume', 'snapshot'] },
      ),
      state: fc.constantFrom(...volumeStates),
      created: time,
    },
    {
      requiredKeys: [
        'name',
        'uuid',
        'nqn',
        'sizeBytes',
        'blockSizeBytes',
        'replicas',
        'wishes',
        'state',
        'created',
      ],
    },
  ),
);

/** Some of them are to become larger. */
export const volumeRecord: fc.Arbitrary<VolumeRecord> = fc
  .tuple(settledVolume, fc.option(fc.bigInt({ min: 1n, max: 1n << 49n }), { nil: undefined }))
  .map(([volume, more]) =>
    more === undefined ? volume : { ...volume, wantedSizeBytes: volume.sizeBytes + more * 4096n },
  );
