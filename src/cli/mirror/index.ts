// `ballast mirror ...`: mirrored volumes, how their members are, and other members. Loaded when one is asked
// for.
import type { Command } from 'commander';
import { parseResyncRate } from '../../base/mirror-spec.js';
import { parseDeviceSize } from '../../base/sizes.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { renderTable } from '../table.js';
import { mirrorColumns, renderMirror } from './render.js';
import { registerSnapshots } from './snapshots.js';
import { registerVerify } from './verify.js';

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
  addDaemonOptions(
    mirror.command('add-member').description('add a member while it is served; everything is copied to it'),
  )
    .argument('<name>')
    .argument('<member>', "a --replica of the daemon by its name, or the address of another daemon's")
    .action(async (name: string, member: string, options: DaemonOptions) => {
      const changed = await (await daemonOf(context, options)).addMirrorMember(name, member);
      await printResult(context, options.output, changed, (color) => renderMirror(changed, color));
    });
  addDaemonOptions(
    mirror.command('remove-member').description('remove a member while it is served; it has nothing then'),
  )
    .argument('<name>')
    .argument('<member>', 'its UUID, address or name, as show prints them')
    .action(async (name: string, member: string, options: DaemonOptions) => {
      const changed = await (await daemonOf(context, options)).removeMirrorMember(name, member);
      await printResult(context, options.output, changed, (color) => renderMirror(changed, color));
    });
  addDaemonOptions(
    mirror.command('resize').description('make one larger while it is served, its members first'),
  )
    .argument('<name>')
    .argument('<size>', 'such as 20GiB')
    .action(async (name: string, size: string, options: DaemonOptions) => {
      const sizeBytes = parseDeviceSize(size, 4096);
      const changed = await (await daemonOf(context, options)).resizeMirror(name, sizeBytes);
      await printResult(context, options.output, changed, (color) => renderMirror(changed, color));
    });
  addDaemonOptions(mirror.command('set').description('change how one is served, until its daemon ends'))
    .argument('<name>')
    .requiredOption(
      '--resync-rate <bytes/s|auto>',
      'of copies to members; auto: as fast as it goes, and slower beside I/O of hosts',
    )
    .action(async (name: string, options: DaemonOptions & { readonly resyncRate: string }) => {
      const rate = options.resyncRate === 'auto' ? null : parseResyncRate(options.resyncRate);
      const changed = await (await daemonOf(context, options)).setMirrorResyncRate(name, rate);
      await printResult(context, options.output, changed, (color) => renderMirror(changed, color));
    });
  registerSnapshots(mirror, context);
  registerVerify(mirror, context);
}
