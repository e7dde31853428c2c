// `ballast volume ana NAME STATE`: how good the way to a volume over this daemon is, of several that serve
// it.
import { Argument, type Command } from 'commander';
import { type AnaState, anaStates } from '../../base/ana.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';

export function registerAna(volume: Command, context: CliContext): void {
  addDaemonOptions(
    volume.command('ana').description('set how hosts see the way to a volume over this daemon'),
  )
    .argument('<name>')
    .addArgument(new Argument('<state>', 'of NVMe Asymmetric Namespace Access').choices(anaStates))
    .addHelpText(
      'after',
      '\nReturns when no I/O is in flight that the state forbids. It holds until the daemon ends;' +
        '\na path that is set to persistent-loss stays so.',
    )
    .action(async (name: string, state: AnaState, options: DaemonOptions) => {
      const set = await (await daemonOf(context, options)).setAnaState(name, state);
      await printResult(context, options.output, set, () => `${name} is ${set.state} over this daemon\n`);
    });
}
