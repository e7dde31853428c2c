// `ballast serve`: volumes of pools and of the command line over NVMe/TCP until SIGTERM or SIGINT, which
// drains and exits 0; a second one exits at once. Order matters: everything is checked before anything
// changes, and volumes exist before the first listener, because a host that reconnects to a subsystem which
// is not there yet gives up for good. The REST API comes last and goes first.
import { networkInterfaces } from 'node:os';
import type { Command } from 'commander';
import { formatTcp, type HostPort } from '../base/address.js';
import type { Config } from '../base/config.js';
import { createLog, type Log } from '../base/log.js';
import type { MirrorSpec } from '../base/mirror-spec.js';
import { engineLimits, type QosWords } from '../base/qos.js';
import { resolveServeSettings, type ServeFlags, type ServeSettings } from '../base/settings.js';
import { formatSize } from '../base/sizes.js';
import { type NamedVolume, type VolumeIdentity, volumeIdentities } from '../base/volume-identities.js';
import type { VolumeSpec } from '../base/volume-spec.js';
import type { EngineOptions, VolumeInfo, VolumeOptions } from '../native/types.js';
import type {
  CliContext,
  ControlPort,
  EnginePort,
  OpenedMirrors,
  OpenedPools,
  OtherVolume,
  ServedVolume,
  WantedMirrors,
} from './engine-port.js';
import { checkAddressesFree, checkVolumeFiles } from './preflight.js';
import { stopRequest } from './stop-request.js';
import { addStoreOptions } from './store-options.js';

const drainMsMax = 30_000;

interface ServeOptions extends ServeFlags {
  readonly config?: string;
}

export function registerServe(program: Command, context: CliContext): void {
  const gather = (value: string, earlier: readonly string[] = []) => [...earlier, value];
  const command = program
    .command('serve')
    .description('serve volumes over NVMe/TCP')
    .option('--config <file>', 'YAML configuration; flags and BALLAST_* variables go before it')
    .option('--data <dir>', 'state directory (default: BALLAST_DATA, else ./var)')
    .option('--listen <uri>', 'tcp://ADDR:PORT, repeatable (default: tcp://127.0.0.1:4420)', gather)
    .option('--storage-interface <name>', 'listen on its address, port 4420, and on no other')
    .option('--advertise <host[:port]>', 'what discovery tells hosts to connect to')
    .option('--api-listen <host:port>', "REST API, or 'off': Unix socket only (default: 127.0.0.1:8420)")
    .option('--metrics-listen <host:port>', 'metrics for Prometheus, without a token (default: none)')
    .option(
      '--volume <name=spec>',
      'mem:SIZE, null:SIZE or file:PATH[:SIZE], then ,options; repeatable',
      gather,
    )
    .option(
      '--replica <name=spec>',
      'keep a replica: file:PATH[:SIZE] or pool:POOL/VOLUME, then ,options; repeatable',
      gather,
    )
    .option(
      '--mirror <name=members>',
      'a volume of 2 to 8 members: replicas, file:, pool:, tcp://...; repeatable',
      gather,
    )
    .option('--reactors <n|list>', 'threads, or CPUs to pin them to, such as 0,2-3 or 1, (default: 1)')
    .option('--spin-us <n|max>', 'how long an idle reactor spins before it sleeps')
    .option('--in-capsule <size>', 'in-capsule data size of I/O queues (default: 8k)')
    .option('--controller-ids <first-last>', 'CNTLIDs of this daemon, of several that serve a subsystem')
    .option(
      '--pool-map-memory <size>',
      'for the maps of each pool (default: 0.1 % of its data, 64MiB or more)',
    )
    .option('--ensure-pool <name=path[:size]>', 'make this pool where there is none of the name')
    .option('--ensure-volume <name=size>', 'make this volume where there is none, in that or the only pool')
    .option('--key-file <file>', 'keys that wrap those of encrypted volumes (default: STATE/volume-keys)')
    .option('--key-command <file>', 'a program that wraps them instead, such as a client of a KMS');
  addStoreOptions(command)
    .option('--log-level <level>', 'debug, info, warn, error or silent (default: info)')
    .action((options: ServeOptions) => serve(context, options));
}

async function serve(context: CliContext, options: ServeOptions): Promise<void> {
  const file = options.config ?? (context.environment.BALLAST_CONFIG || undefined);
  const config: Config = file === undefined ? {} : await readConfigFile(file);
  const settings = resolveServeSettings(options, context.environment, config);
  await checkVolumeFiles(settings.volumes, settings.replicas);
  await checkAddressesFree(settings.listen);

  const log = createLog(settings.logLevel);
  const { dataDirectory: stateDirectory, apiListen, metricsListen, keySource, storeSource } = settings;
  const control = await context.startControl({
    stateDirectory,
    apiListen,
    keySource,
    storeSource,
    log,
    ...(metricsListen !== undefined && { metricsListen }),
  });
  try {
    // Under the lock of the state directory: two daemons at once would each write the file.
    const identities = await volumeIdentities(stateDirectory, namedVolumes(settings));
    await serveVolumes(context, control, settings, identities, log);
  } finally {
    await control.close();
  }
}

function namedVolumes({ volumes, mirrors }: ServeSettings): readonly NamedVolume[] {
  return [...volumes, ...mirrors.map((mirror) => ({ ...mirror, device: { kind: 'mirror' as const } }))];
}

// What reads it takes a while to load, and most starts do without.
async function readConfigFile(file: string): Promise<Config> {
  const { readConfig } = await import('../base/config.js');
  return readConfig(file);
}

async function serveVolumes(
  context: CliContext,
  control: ControlPort,
  settings: ServeSettings,
  identities: readonly VolumeIdentity[],
  log: Log,
): Promise<void> {
  const stopping = stopRequest(context);
  const engine = await context.startEngine(engineOptions(settings, log));
  let api: Promise<void> | undefined;
  try {
    const served = await open(context, control, engine, settings, identities);
    await context.notifyServiceManager('READY=1');
    context.stdout.write('ready\n');
    api = serveApi(context, control, engine, served, settings, log);
    const signal = await stopping.requested;
    log.info({ room: 'serve' }, `${signal}: draining`);
    await context.notifyServiceManager('STOPPING=1');
  } finally {
    const late = setTimeout(() => context.exitNow(1), drainMsMax);
    await api;
    await control.closeApi();
    await engine.close();
    clearTimeout(late);
    stopping.forget();
  }
}

// After volumes are served, which do not need it: that it cannot be loaded ends nothing.
async function serveApi(
  context: CliContext,
  control: ControlPort,
  engine: EnginePort,
  { volumes, listening }: Served,
  settings: ServeSettings,
  log: Log,
): Promise<void> {
  try {
    const places = await control.serveApi({
      volumes: () => volumes.map((volume) => withQos(volume, settings)),
      listeners: () => listening,
      counters: (options) => engine.statsByVolume(options),
      volumeCounters: (name) => engine.volumeStats(name),
      setAnaState: (name, state) => engine.setAnaState(name, state),
    });
    context.stdout.write(`api ${places.join(', ')}\n`);
  } catch (error) {
    log.error({ room: 'serve', err: error }, 'volumes are served, but the REST API is not');
  }
}

function withQos(volume: VolumeInfo, { volumes, mirrors }: ServeSettings): VolumeInfo & { qos?: QosWords } {
  const qos = [...volumes, ...mirrors].find(({ name }) => name === volume.name)?.qos;
  return qos === undefined ? volume : { ...volume, qos };
}

interface Served {
  readonly volumes: readonly VolumeInfo[];
  readonly listening: readonly HostPort[];
}

async function open(
  context: CliContext,
  control: ControlPort,
  engine: EnginePort,
  settings: ServeSettings,
  identities: readonly VolumeIdentity[],
): Promise<Served> {
  const volumes: VolumeInfo[] = [];
  for (const [index, spec] of settings.volumes.entries()) {
    const identity = identities[index];
    if (identity !== undefined) volumes.push(await engine.addVolume(volumeOptions(spec, identity)));
  }
  const { replicas, mirrors, ensured } = settings;
  const others = [...settings.volumes.map(otherVolume), ...mirrors.map(mirroredVolume)];
  const pools = await control.openPools(engine, others, ensured, replicas);
  const wanted = mirrors.flatMap((spec, index) => {
    const identity = identities[settings.volumes.length + index];
    return identity === undefined ? [] : [{ spec, identity }];
  });
  const opened = await openMirrors(context, control, engine, settings, wanted);
  volumes.push(...opened.volumes);
  const listening: HostPort[] = [];
  for (const address of settings.listen) {
    listening.push(await engine.listen({ ...address, ...advertised(settings) }));
  }
  const problems = [...pools.problems, ...opened.problems];
  context.stdout.write(
    describeService(volumes, listening, settings.advertise, { ...pools, problems }, opened.replicas),
  );
  return { volumes, listening };
}

async function openMirrors(
  context: CliContext,
  control: ControlPort,
  engine: EnginePort,
  { replicas, dataDirectory }: ServeSettings,
  mirrors: WantedMirrors['mirrors'],
): Promise<OpenedMirrors> {
  if (replicas.length + mirrors.length === 0) return { replicas: [], volumes: [], problems: [] };
  const host = await context.hostIdentity(dataDirectory);
  return control.openMirrors(engine, { replicas, mirrors, host });
}

export function engineOptions(settings: ServeSettings, log: Log): EngineOptions {
  const { reactors, spinUs, inCapsuleBytes, controllerIds, poolMapBytes } = settings;
  return {
    reactors: reactors.count,
    onLog: ({ level, room, text }) => log[level]({ room }, text),
    ...(reactors.cpus !== undefined && { cpus: reactors.cpus }),
    ...(spinUs !== undefined && { spinUs }),
    ...(inCapsuleBytes !== undefined && { inCapsuleBytes }),
    ...(controllerIds !== undefined && { controllerIds }),
    ...(poolMapBytes !== undefined && { poolMapBytes }),
  };
}

function volumeOptions(spec: VolumeSpec, identity: VolumeIdentity): VolumeOptions {
  const { name, device, blockSizeBytes, volatileWriteCache, readOnly, allowedHosts } = spec;
  return {
    name,
    kind: device.kind,
    blockSizeBytes,
    ...identity,
    volatileWriteCache,
    readOnly,
    ...(spec.qos !== undefined && { qos: engineLimits(spec.qos) }),
    ...(spec.anaState !== undefined && { anaState: spec.anaState }),
    ...(device.kind === 'file' && { path: device.path }),
    ...(device.sizeBytes !== undefined && { sizeBytes: device.sizeBytes }),
    ...(allowedHosts.length > 0 && { hosts: allowedHosts }),
  };
}

function otherVolume({ name, device, qos }: VolumeSpec): OtherVolume {
  return {
    name,
    ...(device.kind === 'file' && { path: device.path }),
    ...(qos?.minIops !== undefined && { minIops: qos.minIops }),
  };
}

function mirroredVolume({ name, qos }: MirrorSpec): OtherVolume {
  return { name, ...(qos?.minIops !== undefined && { minIops: qos.minIops }) };
}

function advertised({ advertise }: ServeSettings): { advertisedHost?: string; advertisedPort?: number } {
  if (advertise === undefined) return {};
  const { host, port } = advertise;
  return port === undefined ? { advertisedHost: host } : { advertisedHost: host, advertisedPort: port };
}

// A person copies from these lines; a pool may have ten thousand volumes.
const poolVolumesShown = 20;

/** What a person copies from: where it listens, each volume and the line that connects it. */
export function describeService(
  devices: readonly ServedVolume[],
  listening: readonly HostPort[],
  advertise?: { readonly host: string; readonly port?: number },
  pools: OpenedPools = { volumes: [], problems: [] },
  replicas: OpenedMirrors['replicas'] = [],
): string {
  const lines = listening.map((address) => `listening on ${formatTcp(address)}`);
  const reached = listening.map(({ host, port }) => ({
    host: advertise?.host ?? reachableHost(host),
    port: advertise?.port ?? port,
  }));
  for (const volume of [...devices, ...pools.volumes.slice(0, poolVolumesShown)]) {
    const kept = volume.durable ? 'durable' : 'not durable';
    lines.push(
      `volume ${volume.name}: ${formatSize(volume.sizeBytes)}, ${volume.blockSizeBytes}-byte blocks, ` +
        `${kept}, namespace ${volume.nsid} of ${volume.nqn}`,
    );
    for (const { host, port } of reached) {
      lines.push(`  nvme connect -t tcp -a ${host} -s ${port} -n ${volume.nqn}`);
    }
  }
  for (const { name, sizeBytes, nqn } of replicas) {
    // What --mirror of another daemon takes.
    for (const address of reached) {
      lines.push(`replica ${name}: ${formatSize(sizeBytes)}, ${formatTcp(address)}/${nqn}`);
    }
  }
  const more = pools.volumes.length - poolVolumesShown;
  if (more > 0) lines.push(`and ${more} more volumes: ballast volume list`);
  if (devices.length + pools.volumes.length + pools.problems.length + replicas.length === 0) {
    lines.push('no volumes yet: ballast pool create NAME --device PATH:SIZE, then ballast volume create');
  }
  for (const problem of pools.problems) lines.push(`NOT SERVED: ${problem}`);
  return `${lines.join('\n')}\n`;
}

// A host cannot connect to a wildcard: show an address of this machine, or its loopback if it has no other.
function reachableHost(host: string): string {
  if (host !== '0.0.0.0' && host !== '::') return host;
  const family = host === '::' ? 'IPv6' : 'IPv4';
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const found = all.find((one) => one.family === family && !one.internal && !one.address.startsWith('fe80'));
  return found?.address ?? (family === 'IPv6' ? '::1' : '127.0.0.1');
}
