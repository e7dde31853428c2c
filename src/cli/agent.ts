// `ballast agent`: a node of a cluster until SIGTERM or SIGINT, which hands its heads over, drains and
// exits 0; a second one exits at once. As `serve` it opens pools and listens; its volumes are those that
// the cluster wants here. Order matters: they exist before the first listener, because a host that
// reconnects to a subsystem that is not there yet gives up for good; and the node counts as up only when
// others reach it.
import { existsSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import type { Command } from 'commander';
import { formatTcp } from '../base/address.js';
import {
  type AgentFlags,
  type AgentSettings,
  type ClusterSource,
  resolveAgentSettings,
} from '../base/cluster-settings.js';
import { InvalidArgumentError } from '../base/errors.js';
import { createLog, type Log } from '../base/log.js';
import { statePaths } from '../base/state-directory.js';
import type { CliContext, ClusterNodePort, ControlPort, EnginePort } from './engine-port.js';
import { checkAddressesFree } from './preflight.js';
import { engineOptions } from './serve.js';
import { type StopRequest, stopRequest } from './stop-request.js';
import { addStoreOptions } from './store-options.js';

const drainMsMax = 30_000;

export function registerAgent(program: Command, context: CliContext): void {
  const gather = (value: string, earlier: readonly string[] = []) => [...earlier, value];
  const command = program
    .command('agent')
    .description('be a node of a cluster: keep replicas, serve volumes, take over from nodes that fail')
    .option('--data <dir>', 'state directory (default: BALLAST_DATA, else ./var)')
    .option('--name <name>', 'of this node, unique in the cluster (default: of this machine)')
    .option('--zone <name>', 'what fails together with others of the same zone')
    .option('--label <key=value>', 'repeatable', gather)
    .option('--controller <host:port>', 'the controller with the embedded store (BALLAST_CONTROLLER)');
  addStoreOptions(command)
    .option('--listen <uri>', 'tcp://ADDR:PORT, repeatable (default: tcp://127.0.0.1:4420)', gather)
    .option('--storage-interface <name>', 'listen on its address, port 4420, and on no other')
    .option('--advertise <host[:port]>', 'where hosts and other nodes reach this one')
    .option('--ensure-pool <name=path[:size]>', 'make this pool where there is none of the name')
    .option('--api-listen <host:port>', "REST API, or 'off': Unix socket only (default: 127.0.0.1:8420)")
    .option('--metrics-listen <host:port>', 'metrics for Prometheus, without a token (default: none)')
    .option('--reactors <n|list>', 'threads, or CPUs to pin them to, such as 0,2-3 or 1, (default: 1)')
    .option('--spin-us <n|max>', 'how long an idle reactor spins before it sleeps')
    .option('--in-capsule <size>', 'in-capsule data size of I/O queues (default: 8k)')
    .option('--log-level <level>', 'debug, info, warn, error or silent (default: info)')
    .action((flags: AgentFlags) => agent(context, flags));
}

async function agent(context: CliContext, flags: AgentFlags): Promise<void> {
  const settings = resolveAgentSettings(flags, context.environment);
  const { dataDirectory: stateDirectory, apiListen, metricsListen, keySource, storeSource } = settings.serve;
  checkSource(settings.source, stateDirectory);
  await checkAddressesFree(settings.serve.listen);
  const log = createLog(settings.serve.logLevel);
  const stopping = stopRequest(context);
  try {
    const control = await context.startControl({
      ...{ stateDirectory, apiListen, keySource, storeSource, log },
      ...(metricsListen !== undefined && { metricsListen }),
    });
    try {
      const node = await join(control, settings, stopping);
      if (node === undefined) return;
      try {
        await run(context, control, node, settings, stopping, log);
      } finally {
        await node.close();
      }
    } finally {
      await control.close();
    }
  } finally {
    stopping.forget();
  }
}

/** Without an address of a controller the node has to have joined one. */
function checkSource(source: ClusterSource, stateDirectory: string): void {
  if (source.kind !== 'controller' || source.address !== undefined) return;
  if (existsSync(joinPath(statePaths(stateDirectory).membership, 'node.pem'))) return;
  throw new InvalidArgumentError(
    'controller',
    'one of --controller HOST:PORT and --store etcd://..., or a node that has joined (ballast node join)',
  );
}

/** Undefined: a signal came first. */
async function join(
  control: ControlPort,
  { source, name, zone, labels, reached }: AgentSettings,
  stopping: StopRequest,
): Promise<ClusterNodePort | undefined> {
  const { signal, abort } = abortable();
  void stopping.requested.then(abort);
  const inZone = zone === undefined ? {} : { zone };
  try {
    return await control.joinCluster({ source, name, ...inZone, labels, reached, signal });
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

async function run(
  context: CliContext,
  control: ControlPort,
  node: ClusterNodePort,
  settings: AgentSettings,
  stopping: StopRequest,
  log: Log,
): Promise<void> {
  const { controllerIds } = node;
  const engine = await context.startEngine(engineOptions({ ...settings.serve, controllerIds }, log));
  try {
    const { problems } = await control.openPools(engine, [], settings.serve.ensured, []);
    for (const problem of problems) context.stdout.write(`NOT SERVED: ${problem}\n`);
    // Until the store says what is wanted here nobody is let in; a signal meanwhile ends it.
    const isStarted = await Promise.race([
      node.start(engine).then(() => true),
      stopping.requested.then(() => false),
    ]);
    if (isStarted) await serve(context, control, engine, node, settings, stopping, log);
  } finally {
    const late = setTimeout(() => context.exitNow(1), drainMsMax);
    await node.stop();
    await control.closeApi();
    await engine.close();
    clearTimeout(late);
  }
}

async function serve(
  context: CliContext,
  control: ControlPort,
  engine: EnginePort,
  node: ClusterNodePort,
  { serve: { listen }, reached }: AgentSettings,
  stopping: StopRequest,
  log: Log,
): Promise<void> {
  for (const address of listen) {
    const bound = await engine.listen({
      ...address,
      advertisedHost: reached.host,
      advertisedPort: reached.port,
    });
    context.stdout.write(`listening on ${formatTcp(bound)}\n`);
  }
  await node.announce();
  await context.notifyServiceManager('READY=1');
  context.stdout.write('ready\n');
  try {
    const places = await control.serveApi({
      volumes: () => [],
      listeners: () => listen,
      counters: (options) => engine.statsByVolume(options),
      volumeCounters: (name) => engine.volumeStats(name),
      setAnaState: (name, state) => engine.setAnaState(name, state),
    });
    context.stdout.write(`api ${places.join(', ')}\n`);
  } catch (error) {
    log.error({ room: 'agent', err: error }, 'volumes are served, but the REST API is not');
  }
  const signal = await stopping.requested;
  log.info({ room: 'agent' }, `${signal}: handing over and draining`);
  await context.notifyServiceManager('STOPPING=1');
}
