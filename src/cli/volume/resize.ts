// `ballast volume resize NAME SIZE`: larger, or smaller where no data would be lost; hosts are told. One of a
// cluster only larger, which is done when all its replicas are in sync: what is printed says whether it is.
import type { Command } from 'commander';
import { parseDeviceSize } from '../../base/sizes.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printVolume } from './render.js';

export function registerResize(volume: Command, context: CliContext): void {
  addDaemonOptions(
    volume.command('resize').description('make a volume larger or smaller; of a cluster only larger'),
  )
    .argument('<name>')
    .argument('<size>', 'such as 20GiB')
    .action(async (name: string, size: string, options: DaemonOptions) => {
      const sizeBytes = parseDeviceSize(size, 4096).toString();
      const changed = await (await daemonOf(context, options)).changeVolume(name, { sizeBytes });
      await printVolume(context, options.output, changed);
    });
}
