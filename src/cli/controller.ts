// `ballast controller`: decides for a cluster until SIGTERM or SIGINT. It touches no data: while it is away,
// volumes are served, and nodes take over by themselves where the store is there.
import type { Command } from 'commander';
import { type ControllerFlags, resolveControllerSettings } from '../base/cluster-settings.js';
import { createLog } from '../base/log.js';
import type { CliContext } from './engine-port.js';
import { stopRequest } from './stop-request.js';
import { addStoreOptions } from './store-options.js';

export function registerController(program: Command, context: CliContext): void {
  const gather = (value: string, earlier: readonly string[] = []) => [...earlier, value];
  const command = program
    .command('controller')
    .description('decide for a cluster: where replicas are, which node is the head of a volume')
    .option('--data <dir>', 'state directory (default: BALLAST_DATA, else ./var)')
    .option('--name <name>', 'for people, among several controllers (default: of this machine)')
    .option('--listen <host:port>', 'where agents reach the embedded store (default: 127.0.0.1:8430)')
    .option(
      '--join-listen <host:port>',
      'where nodes join with a token, e.g. 0.0.0.0:8431 (default: nowhere)',
    )
    .option('--tls-name <name>', 'further name or address of it, for its certificate; repeatable', gather)
    .option('--api-listen <host:port>', "REST API, or 'off': Unix socket only (default: 127.0.0.1:8420)")
    .option('--replace-after <minutes>', 'a node that is away for longer is replaced (default: 15)');
  addStoreOptions(command)
    .option('--log-level <level>', 'debug, info, warn, error or silent (default: info)')
    .action((flags: ControllerFlags) => controller(context, flags));
}

async function controller(context: CliContext, flags: ControllerFlags): Promise<void> {
  const settings = resolveControllerSettings(flags, context.environment);
  const log = createLog(settings.logLevel);
  const stopping = stopRequest(context);
  const running = await context.startController(settings, log);
  try {
    context.stdout.write(`${running.places.join('\n')}\nready\n`);
    await context.notifyServiceManager('READY=1');
    const signal = await stopping.requested;
    log.info({ room: 'controller' }, `${signal}: ending`);
    await context.notifyServiceManager('STOPPING=1');
  } finally {
    stopping.forget();
    await running.close();
  }
}
