// `ballast csi`: the Container Storage Interface on a Unix socket until SIGTERM, which answers the calls that
// are under way and exits 0.
import type { Command } from 'commander';
import { formatHost } from '../base/address.js';
import { createLog } from '../base/log.js';
import { type CsiFlags, identityOf, resolveCsiSettings } from './csi-settings.js';
import { endpointOf } from './daemon.js';
import type { CliContext } from './engine-port.js';
import { stopRequest } from './stop-request.js';

export function registerCsi(program: Command, context: CliContext): void {
  const gather = (value: string, earlier: readonly string[] = []) => [...earlier, value];
  program
    .command('csi')
    .description('serve the Container Storage Interface, for Kubernetes')
    .option('--mode <mode>', 'controller, node or all', 'all')
    .option('--endpoint <unix:///path>', 'socket to listen on (CSI_ENDPOINT)')
    .option('--data <dir>', 'state directory of the daemon (default: BALLAST_DATA, else ./var)')
    .option('--api <url>', 'ask the daemon at http(s)://HOST:PORT instead (BALLAST_API)')
    .option('--token-file <file>', 'file with the token for --api (BALLAST_TOKEN_FILE)')
    .option('--driver-name <name>', 'as CSIDriver and StorageClass name it', 'csi.ballast.dev')
    .option('--topology <key=value>', 'where this is, as labels of nodes say it; repeatable', gather)
    .option('--zone-key <label>', 'zones of a cluster are topology under this label of nodes')
    .option('--target-address <host:port>', 'where nodes reach the target; repeatable', gather)
    .option('--storage-interface <name>', 'the same by the address of a network interface, port 4420')
    .option(
      '--node-name <name>',
      'node: of this machine in the cluster, for its zone (default: its host name)',
    )
    .option('--node-id <nqn>', 'node: who it is to targets (default: /etc/nvme/hostnqn, else made once)')
    .option('--driver <driver>', 'node: auto, kernel, ublk or fuse', 'auto')
    .option('--kubelet-dir <dir>', 'node: what paths have to lie below', '/var/lib/kubelet')
    .option('--state-dir <dir>', 'node: what it remembers (default: KUBELET-DIR/plugins/DRIVER-NAME)')
    .option('--attach-dir <dir>', 'node: what is attached (default: /run/ballast/attach)')
    .option('--max-volumes <n>', 'node: how many it takes; 0: no limit', '0')
    .option('--metrics-listen <host:port>', 'answer GET /metrics there, without a token')
    .option('--log-level <level>', 'debug, info, warn, error or silent', 'info')
    .action((flags: CsiFlags) => csi(context, flags));
}

async function csi(context: CliContext, flags: CsiFlags): Promise<void> {
  const settings = resolveCsiSettings(flags, context.environment);
  const daemon = await endpointOf(context, flags);
  const log = createLog(settings.logLevel);
  const host = settings.node
    ? identityOf(settings.nodeId, await context.hostIdentity(settings.stateDirectory))
    : undefined;
  const stopping = stopRequest(context);
  const service = await context.startCsi({ ...settings, daemon, log, ...(host && { host }) });
  try {
    const { metricsAddress } = service;
    if (metricsAddress !== undefined) {
      const { host: listening, port } = metricsAddress;
      context.stdout.write(`metrics http://${formatHost(listening)}:${port}/metrics\n`);
    }
    await context.notifyServiceManager('READY=1');
    context.stdout.write('ready\n');
    const signal = await stopping.requested;
    log.info({ room: 'csi' }, `${signal}: answering what is under way`);
    await context.notifyServiceManager('STOPPING=1');
  } finally {
    await service.close();
    stopping.forget();
  }
}
