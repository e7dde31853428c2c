// `ballast volume delete VOLUME` or `VOLUME/SNAPSHOT`: its room comes back. A volume with snapshots stays.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { parseSnapshotName } from './names.js';

interface DeleteOptions extends DaemonOptions {
  readonly erase?: boolean;
  readonly cryptoErase?: boolean;
  readonly force?: boolean;
}

export function registerDelete(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('delete').description('delete a volume or a snapshot'))
    .argument('<what>', 'VOLUME, or VOLUME/SNAPSHOT')
    .option('--erase', 'zero what the volume held before its room is used again')
    .option('--crypto-erase', 'discard the key of an encrypted volume first')
    .option('--force', 'also while hosts are connected, or have been granted it')
    .action((what: string, options: DeleteOptions) => remove(context, what, options));
}

async function remove(context: CliContext, what: string, options: DeleteOptions): Promise<void> {
  const { erase = false, cryptoErase = false, force = false } = options;
  const daemon = await daemonOf(context, options);
  if (what.includes('/')) {
    if (erase || cryptoErase) {
      throw new InvalidArgumentError('erase', 'a volume: a snapshot shares its room with others');
    }
    await daemon.deleteSnapshot(parseSnapshotName(what));
  } else {
    await daemon.deleteVolume(what, { erase, cryptoErase, force });
  }
  await printResult(context, options.output, { deleted: what }, () => `${what} deleted\n`);
}
