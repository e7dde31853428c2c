// `ballast volume create NAME --size S`: a volume in a pool, served at once; its NQN is in what is printed.
// With --replicas: a volume of a cluster, asked of its controller.
import { type Command, Option } from 'commander';
import { parseLabels } from '../../base/cluster-settings.js';
import { InvalidArgumentError } from '../../base/errors.js';
import { membersMax } from '../../base/mirror-spec.js';
import { parseDeviceSize } from '../../base/sizes.js';
import { renderClusterVolume } from '../cluster/render.js';
import { addDaemonOptions, clusterOf, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { parseInteger } from '../numbers.js';
import { printResult } from '../output.js';
import { addQosOptions, type QosFlags, qosOf } from '../qos/options.js';
import { printVolume } from './render.js';

interface CreateOptions extends DaemonOptions, QosFlags {
  readonly size: string;
  readonly pool?: string;
  readonly thick?: boolean;
  readonly encrypted?: boolean;
  readonly host?: readonly string[];
  readonly replicas?: string;
  readonly minInSync?: string;
  readonly spread?: 'zone' | 'prefer-zone';
  readonly zone?: readonly string[];
  readonly nodeLabel?: readonly string[];
  readonly apartGroup?: string;
}

export function registerCreate(volume: Command, context: CliContext): void {
  addQosOptions(addDaemonOptions(volume.command('create').description('make a volume and serve it')))
    .argument('<name>')
    .requiredOption('--size <size>', 'such as 10GiB')
    .option('--pool <name>', 'where (default: the only pool)')
    .option('--thick', 'take all its room now (default: as it is written)')
    .option('--encrypted', 'encrypt its blocks on disk, with a key of its own')
    .option('--host <nqn>', 'a host that may use it, repeatable (default: any)', collect)
    .option('--replicas <n>', 'in a cluster: 1 to 8 replicas, on a node each')
    .option('--min-in-sync <n>', 'in a cluster: writes are acknowledged while so many are (default: 2, or 1)')
    .addOption(
      new Option(
        '--spread <how>',
        'in a cluster: replicas in different zones, or as far as there are zones',
      ).choices(['zone', 'prefer-zone']),
    )
    .option('--zone <zone>', 'in a cluster: only nodes in these, the first ones rather, repeatable', collect)
    .option('--node-label <key=value>', 'in a cluster: only nodes with all of these, repeatable', collect)
    .option('--apart-group <name>', 'in a cluster: on other nodes than volumes of the same group')
    .action((name: string, options: CreateOptions) => create(context, name, options));
}

async function create(context: CliContext, name: string, options: CreateOptions): Promise<void> {
  if (options.replicas !== undefined) return createInCluster(context, name, options.replicas, options);
  const alone = (['minInSync', 'spread', 'zone', 'nodeLabel', 'apartGroup'] as const).find(
    (one) => options[one],
  );
  if (alone !== undefined) throw new InvalidArgumentError('replicas', 'given, for a volume of a cluster');
  const sizeBytes = parseDeviceSize(options.size, 4096).toString();
  const qos = qosOf(options);
  const daemon = await daemonOf(context, options);
  const made = await daemon.createVolume({
    name,
    sizeBytes,
    thick: options.thick ?? false,
    encrypted: options.encrypted ?? false,
    ...(options.pool !== undefined && { pool: options.pool }),
    ...(options.host !== undefined && { hosts: [...options.host] }),
    ...(qos !== undefined && { qos }),
  });
  await printVolume(context, options.output, made);
}

async function createInCluster(
  context: CliContext,
  name: string,
  replicas: string,
  options: CreateOptions,
): Promise<void> {
  if (options.encrypted === true) {
    throw new InvalidArgumentError('encrypted', 'absent: volumes of a cluster cannot be encrypted yet');
  }
  const { size, minInSync, pool, thick = false, host, spread, zone, nodeLabel, apartGroup } = options;
  const qos = qosOf(options);
  const made = await (await clusterOf(context, options)).createVolume({
    ...{ name, thick, sizeBytes: parseDeviceSize(size, 4096).toString() },
    replicas: parseInteger('replicas', replicas, 1, membersMax),
    ...(minInSync !== undefined && { minInSync: parseInteger('min-in-sync', minInSync, 1, membersMax) }),
    ...(pool !== undefined && { pool }),
    ...(spread !== undefined && { spread }),
    ...(zone !== undefined && { zones: [...zone] }),
    ...(nodeLabel !== undefined && { nodeLabels: parseLabels(nodeLabel) }),
    ...(apartGroup !== undefined && { apartGroup }),
    ...(host !== undefined && { hosts: [...host] }),
    ...(qos !== undefined && { qos }),
  });
  await printResult(context, options.output, made, (color) => renderClusterVolume(made, color));
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
