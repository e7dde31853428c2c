// What is told of the daemon and its pools: filled from one snapshot at each scrape.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { MirrorView } from '../mirrors/types.js';
import type { NodeStats } from '../native/types.js';
import type { PoolView } from '../pools/types.js';
import { mirrorGauges } from './mirror-families.js';

export type Labels = Readonly<Record<string, string | number>>;
export type Sample = readonly [Labels, number | bigint];

export interface Snapshot {
  readonly node: string;
  readonly stats: NodeStats;
  readonly pools: readonly PoolView[];
  readonly mirrors: readonly MirrorView[];
  readonly budgetIops: number;
}

export interface Definition {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly samples: (snapshot: Snapshot) => readonly Sample[];
}

const one = (value: number | bigint): readonly Sample[] => [[{}, value]];
const tcp = { transport: 'tcp' };

const gauges: readonly Definition[] = [
  {
    name: 'ballast_controllers',
    help: 'Controllers of hosts that are connected.',
    samples: ({ stats }) => one(stats.controllers),
  },
  {
    name: 'ballast_qos_budget_iops',
    help: 'What guarantees are admitted against; 0: there is no budget.',
    samples: ({ budgetIops }) => one(budgetIops),
  },
  {
    name: 'ballast_qos_guaranteed_iops',
    help: 'What is guaranteed to volumes of this node, together.',
    samples: ({ stats }) => one(stats.qos.guaranteedIops),
  },
  {
    name: 'ballast_qos_waiting_volumes',
    help: 'Volumes that wait for the budget of the node.',
    samples: ({ stats }) => one(stats.qos.waitingVolumes),
  },
  {
    name: 'ballast_transport_connections',
    help: 'Open connections.',
    labels: ['transport'],
    samples: ({ stats }) => [[tcp, stats.transport.connections]],
  },
  ofPool(
    'ballast_pool_open',
    '1 while a pool is open, else 0: a device of it is missing or failed.',
    ({ state }) => (state === 'open' ? 1 : 0),
  ),
  ofPool('ballast_pool_size_bytes', 'Room for data.', ({ info }) => info?.capacityBytes),
  ofPool('ballast_pool_allocated_bytes', 'Room that is taken.', ({ info }) => info?.usedBytes),
  ofPool(
    'ballast_pool_provisioned_bytes',
    'The sizes of its volumes together.',
    ({ info }) => info?.provisionedBytes,
  ),
  ofPool(
    'ballast_pool_reserved_bytes',
    'Room that no new volume, clone or snapshot may begin to use.',
    ({ info }) => info && (info.capacityBytes * BigInt(info.reservePercent)) / 100n,
  ),
  ofPool('ballast_pool_metadata_size_bytes', 'Room for metadata.', ({ info }) => info?.metadataBytes),
  ofPool(
    'ballast_pool_metadata_allocated_bytes',
    'Room for metadata that is taken.',
    ({ info }) => info?.metadataUsedBytes,
  ),
  ofPool('ballast_pool_volumes', 'Its volumes.', ({ info }) => info?.volumesCount),
  ofPool(
    'ballast_pool_scrub_running',
    '1 while a scrub runs, else 0.',
    ({ info }) => info && (info.scrub.running ? 1 : 0),
  ),
  ofPool(
    'ballast_pool_scrub_done_bytes',
    'What the last scrub has verified.',
    ({ info }) => info?.scrub.doneBytes,
  ),
  ofPool(
    'ballast_pool_scrub_total_bytes',
    'What the last scrub has to verify.',
    ({ info }) => info?.scrub.totalBytes,
  ),
  ofPool(
    'ballast_pool_scrub_errors',
    'Bad blocks of 4 KiB that the last scrub found.',
    ({ info }) => info?.scrub.errors,
  ),
  ...mirrorGauges,
];

const counters: readonly Definition[] = [
  {
    name: 'ballast_reactor_busy_seconds_total',
    help: 'Time that a reactor was not asleep.',
    labels: ['reactor'],
    samples: ({ stats }) => ofReactors(stats, ({ busyNs }) => Number(busyNs) / 1e9),
  },
  {
    name: 'ballast_reactor_turns_total',
    help: 'Turns of a reactor.',
    labels: ['reactor'],
    samples: ({ stats }) => ofReactors(stats, ({ turns }) => turns),
  },
  {
    name: 'ballast_reactor_sleeps_total',
    help: 'How often a reactor went to sleep.',
    labels: ['reactor'],
    samples: ({ stats }) => ofReactors(stats, ({ sleeps }) => sleeps),
  },
  {
    name: 'ballast_transport_connections_total',
    help: 'Connections that were accepted.',
    labels: ['transport'],
    samples: ({ stats }) => [[tcp, stats.transport.connectionsTotal]],
  },
  {
    name: 'ballast_transport_received_bytes_total',
    help: 'Bytes that were received.',
    labels: ['transport'],
    samples: ({ stats }) => [[tcp, stats.transport.bytesReceived]],
  },
  {
    name: 'ballast_transport_sent_bytes_total',
    help: 'Bytes that were sent.',
    labels: ['transport'],
    samples: ({ stats }) => [[tcp, stats.transport.bytesSent]],
  },
  {
    name: 'ballast_transport_data_digest_errors_total',
    help: 'Data that came with a wrong digest.',
    labels: ['transport'],
    samples: ({ stats }) => [[tcp, stats.transport.dataDigestErrors]],
  },
  {
    name: 'ballast_transport_pdu_errors_total',
    help: 'Connections that were ended for a fatal error, by its Fatal Error Status; 0: any other.',
    labels: ['transport', 'fes'],
    samples: ({ stats }) => stats.transport.pduErrors.map((count, fes) => [{ ...tcp, fes }, count]),
  },
  {
    name: 'ballast_qos_budget_waits_total',
    help: 'How often volumes waited for the budget: its rate was used up, or the devices were slower.',
    labels: ['reason'],
    samples: ({ stats: { qos } }) => [
      [{ reason: 'rate' }, qos.rateWaits],
      [{ reason: 'depth' }, qos.depthWaits],
    ],
  },
  {
    name: 'ballast_keep_alive_timeouts_total',
    help: 'Controllers that were ended because their host was silent.',
    samples: ({ stats }) => one(stats.keepAliveTimeouts),
  },
  {
    name: 'ballast_log_lines_dropped_total',
    help: 'Log lines of the data plane that came faster than they could be written.',
    samples: ({ stats }) => one(stats.logLinesDropped),
  },
];

function ofReactors(
  { reactors }: NodeStats,
  value: (one: NodeStats['reactors'][number]) => number,
): readonly Sample[] {
  return reactors.map((reactor, index) => [{ reactor: index }, value(reactor)]);
}

/** Of pools that have the value: some have it only while they are open. */
function ofPool(
  name: string,
  help: string,
  value: (pool: PoolView) => number | bigint | undefined,
): Definition {
  const samples = ({ pools }: Snapshot) =>
    pools.flatMap((pool): Sample[] => {
      const found = value(pool);
      return found === undefined ? [] : [[{ pool: pool.name }, found]];
    });
  return { name, help, labels: ['pool'], samples };
}

export class NodeMetrics {
  readonly #fill: readonly ((snapshot: Snapshot) => void)[];

  constructor(registry: Registry) {
    this.#fill = [
      ...gauges.map(({ name, help, labels = [], samples }) => {
        const gauge = new Gauge({ name, help, labelNames: ['node', ...labels], registers: [registry] });
        return (snapshot: Snapshot) => {
          gauge.reset();
          for (const [own, value] of samples(snapshot))
            gauge.set({ node: snapshot.node, ...own }, Number(value));
        };
      }),
      ...counters.map(({ name, help, labels = [], samples }) => {
        const counter = new Counter({ name, help, labelNames: ['node', ...labels], registers: [registry] });
        return (snapshot: Snapshot) => {
          counter.reset(); // it is counted elsewhere
          for (const [own, value] of samples(snapshot))
            counter.inc({ node: snapshot.node, ...own }, Number(value));
        };
      }),
    ];
  }

  fill(snapshot: Snapshot): void {
    for (const fill of this.#fill) fill(snapshot);
  }
}
