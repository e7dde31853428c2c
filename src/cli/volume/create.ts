// `ballast volume create NAME --size S`: a volume in a pool, served at once; its NQN is in what is printed.
import type { Command } from 'commander';
import { parseDeviceSize } from '../../base/sizes.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { addQosOptions, type QosFlags, qosOf } from '../qos/options.js';
import { printVolume } from './render.js';

interface CreateOptions extends DaemonOptions, QosFlags {
  readonly size: string;
  readonly pool?: string;
  readonly thick?: boolean;
  readonly encrypted?: boolean;
  readonly host?: readonly string[];
}

export function registerCreate(volume: Command, context: CliContext): void {
  addQosOptions(addDaemonOptions(volume.command('create').description('make a volume and serve it')))
    .argument('<name>')
    .requiredOption('--size <size>', 'such as 10GiB')
    .option('--pool <name>', 'where (default: the only pool)')
    .option('--thick', 'take all its room now (default: as it is written)')
    .option('--encrypted', 'encrypt its blocks on disk, with a key of its own')
    .option('--host <nqn>', 'a host that may use it, repeatable (default: any)', collect)
    .action((name: string, options: CreateOptions) => create(context, name, options));
}

async function create(context: CliContext, name: string, options: CreateOptions): Promise<void> {
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

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}
