// `ballast key rotate`: wraps the keys of all volumes with a new key. Exits 1 when some could not be reached;
// the next run goes on with the same new key.
import type { Command } from 'commander';
import { KeyUnavailableError } from '../../base/pool-errors.js';
import type { RotatedBody } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';

interface RotateOptions extends DaemonOptions {
  readonly dropOld?: boolean;
}

export function registerRotate(key: Command, context: CliContext): void {
  addDaemonOptions(key.command('rotate').description('wrap the keys of all volumes with a new key'))
    .option('--drop-old', 'forget the old keys then; pools that are elsewhere may still need them')
    .action((options: RotateOptions) => rotate(context, options));
}

async function rotate(context: CliContext, options: RotateOptions): Promise<void> {
  const rotated = await (await daemonOf(context, options)).rotateKeys(options.dropOld ?? false);
  await printResult(context, options.output, rotated, () => render(rotated));
  if (rotated.left.length > 0) {
    const count = rotated.left.length;
    throw new KeyUnavailableError('rotation', `${count} could not be reached; rotate again when they can be`);
  }
}

function render({ keyId, rewrapped, left, dropped }: RotatedBody): string {
  const lines = [`key ${keyId}`, `${rewrapped} wrapped anew, ${dropped} old keys forgotten`];
  for (const { pool, volume, reason } of left) {
    lines.push(`left: ${volume === undefined ? `pool ${pool}` : `volume ${volume} of ${pool}`}: ${reason}`);
  }
  return `${lines.join('\n')}\n`;
}
