// `ballast mirror list|show`: mirrored volumes and how their members are. Loaded when one is asked for.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderTable } from '../table.js';
import { mirrorColumns, renderMirror } from './render.js';

export function register(mirror: Command, context: CliContext): void {
  addDaemonOptions(mirror.command('list').description('show all mirrored volumes')).action(
    async (options: DaemonOptions) => {
      const mirrors = await (await daemonOf(context, options)).mirrors();
      await printResult(context, options.output, { mirrors }, (color) =>
        renderTable(mirrorColumns, mirrors, color),
      );
    },
  );
  addDaemonOptions(mirror.command('show').description('show one, with its members'))
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      const found = await (await daemonOf(context, options)).mirror(name);
      await printResult(context, options.output, found, (color) => renderMirror(found, color));
    });
}
