// `ballast pool add-device NAME PATH[:SIZE]`: more room, while volumes are served.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { parseDevice } from './device-option.js';
import { renderPool } from './render.js';

export function registerAddDevice(pool: Command, context: CliContext): void {
  addDaemonOptions(pool.command('add-device').description('add a disk or a file to a pool'))
    .argument('<name>')
    .argument('<path[:size]>', 'a disk, or a file; a size makes a missing file')
    .action(async (name: string, device: string, options: DaemonOptions) => {
      const parsed = parseDevice(context, options, device);
      const changed = await (await daemonOf(context, options)).addDevice(name, parsed);
      await printResult(context, options.output, changed, (color) => renderPool(changed, color));
    });
}
