// `ballast volume set NAME --iops N ...|--no-qos`: what a volume may use, while it is used. What is not given
// is not limited any more.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { addQosOptions, type QosFlags, qosOf } from '../qos/options.js';
import { printVolume } from './render.js';

interface SetOptions extends DaemonOptions, QosFlags {
  readonly qos: boolean;
}

export function registerSet(volume: Command, context: CliContext): void {
  addQosOptions(addDaemonOptions(volume.command('set').description('change the limits of a volume')))
    .argument('<name>')
    .option('--no-qos', 'take all limits and guarantees away')
    .action(async (name: string, options: SetOptions) => {
      const qos = qosOf(options);
      if (options.qos === (qos === undefined)) {
        throw new InvalidArgumentError('qos', 'limits, such as --iops 1000, or --no-qos, and not both');
      }
      const changed = await (await daemonOf(context, options)).changeVolume(name, { qos: qos ?? null });
      await printVolume(context, options.output, changed);
    });
}
