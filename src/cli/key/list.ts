// `ballast key list`: which keys wrap those of encrypted volumes. Never a key.
import type { Command } from 'commander';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderFields, renderTable } from '../table.js';

export function registerList(key: Command, context: CliContext): void {
  addDaemonOptions(key.command('list').description('show which keys are used')).action(
    async (options: DaemonOptions) => {
      const keys = await (await daemonOf(context, options)).keys();
      await printResult(context, options.output, keys, (color) => {
        const rotating = keys.rotating ? 'begun and not finished: rotate again' : 'none under way';
        const fields = renderFields(
          [
            ['from', keys.name],
            ['rotation', rotating],
          ],
          color,
        );
        return `${fields}\n${renderTable(
          [
            { title: 'key', value: ({ keyId }) => keyId },
            { title: 'volumes', value: ({ volumes }) => String(volumes), align: 'right' },
          ],
          keys.keys,
          color,
        )}`;
      });
    },
  );
}
