// `ballast mirror verify NAME`: has all members in sync compared. On a terminal, or with --wait, it shows how
// far that is until it is done; being interrupted ends the showing and not the comparison.
import type { Command } from 'commander';
import { MirrorConflictError } from '../../base/mirror-errors.js';
import { type ApiClient, type MirrorBody, toBytes } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { ProgressBar } from '../progress-bar.js';
import { renderVerify } from './render.js';

interface VerifyOptions extends DaemonOptions {
  readonly status?: boolean;
  readonly cancel?: boolean;
  readonly wait?: boolean;
}

const pollMs = 500;

export function registerVerify(mirror: Command, context: CliContext): void {
  addDaemonOptions(
    mirror.command('verify').description('compare all members in sync while the volume is served'),
  )
    .argument('<name>')
    .option('--status', 'only show how far the last one is, and what it found')
    .option('--cancel', 'end it early')
    .option('--wait', 'until it is done, also without a terminal; exits 1 when members differ')
    .action((name: string, options: VerifyOptions) => verify(context, name, options));
}

async function verify(context: CliContext, name: string, options: VerifyOptions): Promise<void> {
  const daemon = await daemonOf(context, options);
  const only = options.status === true || options.cancel === true;
  const waits = !only && (options.wait === true || context.stderr.isTTY === true);
  let mirror = await begin(daemon, name, options);
  if (waits) mirror = await untilDone(context, daemon, mirror);
  await printResult(context, options.output, { mirror: name, ...mirror.verify }, (color) =>
    renderVerify(mirror, color),
  );
  const found = mirror.verify;
  if (!waits || found === undefined || found.state === 'running') return;
  if (toBytes(found.differentBytes) > 0n) throw new MirrorConflictError(name, 'its members differ');
  if (found.state !== 'done') throw new MirrorConflictError(name, `the comparison was ${found.state}`);
}

function begin(daemon: ApiClient, name: string, { status, cancel }: VerifyOptions): Promise<MirrorBody> {
  if (cancel === true) return daemon.cancelMirrorVerify(name);
  return status === true ? daemon.mirror(name) : daemon.startMirrorVerify(name);
}

async function untilDone(context: CliContext, daemon: ApiClient, started: MirrorBody): Promise<MirrorBody> {
  const bar = new ProgressBar(context, `verify ${started.name}`);
  let interrupted = false;
  const forget = context.onStopSignal(() => {
    interrupted = true;
  });
  let mirror = started;
  try {
    while (mirror.verify?.state === 'running' && !interrupted) {
      const { doneBytes, totalBytes, differentBytes } = mirror.verify;
      const note = toBytes(differentBytes) > 0n ? '   members differ' : '';
      bar.show({ doneBytes: toBytes(doneBytes), totalBytes: toBytes(totalBytes) }, note);
      await context.sleep(pollMs);
      mirror = await daemon.mirror(started.name);
    }
    return mirror;
  } finally {
    bar.clear();
    forget();
  }
}
