// `ballast pool scrub NAME`: has all data of a pool read and verified. On a terminal, or with --wait, it
// shows how far that is until it is done; being interrupted ends the showing and not the scrub.
import type { Command } from 'commander';
import { PoolFailedError } from '../../base/pool-errors.js';
import { parseSize } from '../../base/sizes.js';
import { type ApiClient, type PoolBody, toBytes } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { ProgressBar } from '../progress-bar.js';
import { describeScrub } from './render.js';

interface ScrubOptions extends DaemonOptions {
  readonly rate?: string;
  readonly stop?: boolean;
  readonly wait?: boolean;
}

const pollMs = 500;

export function registerScrub(pool: Command, context: CliContext): void {
  addDaemonOptions(pool.command('scrub').description('read and verify all data of a pool'))
    .argument('<name>')
    .option('--rate <size>', 'at most so many bytes a second, such as 200MiB (default: no limit)')
    .option('--stop', 'end it early')
    .option('--wait', 'until it is done, also without a terminal; exits 1 when it found errors')
    .action((name: string, options: ScrubOptions) => scrub(context, name, options));
}

async function scrub(context: CliContext, name: string, options: ScrubOptions): Promise<void> {
  const rate = options.rate === undefined ? 0n : parseSize(options.rate);
  const daemon = await daemonOf(context, options);
  let pool = options.stop ? await daemon.stopScrub(name) : await daemon.startScrub(name, rate);
  const waits = !options.stop && (options.wait === true || context.stderr.isTTY === true);
  if (waits) pool = await untilDone(context, daemon, pool);
  await printResult(
    context,
    options.output,
    { pool: name, ...pool.scrub },
    () => `scrub of ${name}: ${describeScrub(pool)}\n`,
  );
  const errors = toBytes(pool.scrub?.errors);
  if (waits && pool.scrub?.running === false && errors > 0n) {
    throw new PoolFailedError(`scrub of ${name}`, `${errors} blocks cannot be read or have wrong checksums`);
  }
}

async function untilDone(context: CliContext, daemon: ApiClient, started: PoolBody): Promise<PoolBody> {
  const bar = new ProgressBar(context, `scrub ${started.name}`);
  let interrupted = false;
  const forget = context.onStopSignal(() => {
    interrupted = true;
  });
  let pool = started;
  try {
    while (pool.scrub?.running && !interrupted) {
      const { doneBytes, totalBytes, errors } = pool.scrub;
      const note = toBytes(errors) > 0n ? `   ${errors} errors` : '';
      bar.show({ doneBytes: toBytes(doneBytes), totalBytes: toBytes(totalBytes) }, note);
      await context.sleep(pollMs);
      pool = await daemon.pool(started.name);
    }
    return pool;
  } finally {
    bar.clear();
    forget();
  }
}
