// The data plane of this process: volumes served over NVMe/TCP, and connections to other targets. An engine
// lives until close(), or until its environment ends; a listener keeps the process alive, an idle engine does
// not.
import { formatTcp } from '../base/address.js';
import { AbortedError, ClosedError, NativeError } from '../base/errors.js';
import { checkNqn } from '../base/nqn.js';
import { Attachment } from './attachment.js';
import { binding, type NativeResults, type NativeVolumeStats } from './binding.js';
import { checkHosts, checkInteger, checkText } from './checks.js';
import { Controller } from './controller.js';
import {
  checkAnaState,
  checkAttachOptions,
  checkConnectOptions,
  checkDiscoverOptions,
  checkEngineOptions,
  checkListenOptions,
  checkQos,
  checkVolumeOptions,
  depthMax,
  rateMax,
} from './engine-arguments.js';
import { EngineMirrors } from './engine-mirrors.js';
import {
  attachFailure,
  connectFailure,
  engineFailure,
  listenFailure,
  pathFailure,
  qosFailure,
  volumeFailure,
} from './failures.js';
import { untilAborted } from './namespace.js';
import { forgetMirrors, forgetState, listenToLog, listenToState, operate } from './operations.js';
import { readStats, readStatsByVolume } from './stats.js';
import type {
  AnaState,
  AttachOptions,
  ConnectedHost,
  ConnectOptions,
  ControllerState,
  DiscoverOptions,
  DiscoveryEntry,
  EngineFeatures,
  EngineOptions,
  EngineStats,
  ListenAddress,
  ListenOptions,
  QosBudget,
  QosLimits,
  StatsByVolume,
  StatsOptions,
  VolumeInfo,
  VolumeOptions,
  VolumeStats,
} from './types.js';

export class Engine extends EngineMirrors {
  readonly #id: number;
  readonly #forgetLog: (() => void) | undefined;
  readonly #volumes = new Map<string, VolumeInfo>();
  readonly #stats = new Map<string, NativeVolumeStats>();
  readonly #poolOf = new Map<string, string>();
  readonly #controllers = new Set<Controller>();
  #closing: Promise<void> | undefined;

  private constructor(id: number, forgetLog: (() => void) | undefined) {
    super();
    this.#id = id;
    this.#forgetLog = forgetLog;
  }

  static async start(options: EngineOptions = {}): Promise<Engine> {
    const native = checkEngineOptions(options);
    const forgetLog = options.onLog === undefined ? undefined : listenToLog(options.onLog);
    let id = 0;
    try {
      await operate<void>((op) => {
        id = binding.engineStart(op, native);
      }, engineFailure('start'));
    } catch (error) {
      forgetLog?.();
      throw error;
    }
    return new Engine(id, forgetLog);
  }

  async addVolume(options: VolumeOptions): Promise<VolumeInfo> {
    const native = checkVolumeOptions(options);
    this.#checkOpen();
    const { stats, ...info } = await operate<NativeResults['volume']>(
      (op) => binding.engineAddVolume(this.#id, op, native),
      volumeFailure(options.name),
    );
    this.#volumes.set(info.name, info);
    this.#stats.set(info.name, stats);
    if (options.pool !== undefined) this.#poolOf.set(info.name, options.pool);
    return info;
  }

  /** I/O of hosts that is in flight finishes first. */
  async removeVolume(name: string): Promise<void> {
    checkText(name, 'name', 255);
    this.#checkOpen();
    await this.#remove(name);
    this.#forgetVolume(name);
  }

  async #remove(name: string): Promise<void> {
    await operate<void>(
      (op) => binding.engineRemoveVolume(this.#id, op, name),
      engineFailure(`remove volume '${name}'`),
    );
  }

  /** In force when it answers; I/O that waits goes on under the new limits. */
  async setQos(name: string, limits: QosLimits): Promise<void> {
    checkText(name, 'name', 255);
    const native = checkQos(limits);
    this.#checkOpen();
    await operate<void>((op) => binding.engineSetQos(this.#id, op, name, native), qosFailure(name));
  }

  /** Of all volumes together; `{ iops: 0 }`: none. It may be below what is promised. */
  async setQosBudget({ iops, depth = 0 }: QosBudget): Promise<void> {
    checkInteger(iops, 'iops', 0, rateMax);
    checkInteger(depth, 'depth', 0, depthMax);
    this.#checkOpen();
    await operate<void>(
      (op) => binding.engineSetQosBudget(this.#id, op, iops, depth),
      engineFailure('set the QoS budget'),
    );
  }

  /**
   * Who may connect to an NQN; undefined: any host. Hosts that lost access are disconnected; answers when
   * none of their I/O can take effect any more: what a device has is finished first.
   */
  async setHosts(nqn: string, hosts: readonly string[] | undefined): Promise<void> {
    checkNqn(checkText(nqn, 'nqn', 65_536));
    if (hosts !== undefined) checkHosts(hosts);
    this.#checkOpen();
    await operate<void>(
      (op) => binding.engineSetHosts(this.#id, op, nqn, hosts),
      engineFailure(`set hosts of ${nqn}`),
    );
  }

  /**
   * How good the way to a volume over this process is, of several that serve it. Hosts are told; answers when
   * no I/O is in flight that the state forbids. A path that is lost for good stays so.
   */
  async setAnaState(volume: string, state: AnaState): Promise<void> {
    checkText(volume, 'volume', 255);
    checkAnaState(state);
    this.#checkOpen();
    await operate<void>(
      (op) => binding.engineSetAnaState(this.#id, op, volume, state),
      pathFailure('set the ANA state', volume),
    );
  }

  /**
   * Ends every controller that a host has here of the subsystem of a volume; it may connect again at once.
   * Answers when none of their I/O can take effect any more: before I/O is let in over another path.
   */
  async dropHost(volume: string, hostNqn: string): Promise<void> {
    checkText(volume, 'volume', 255);
    checkNqn(checkText(hostNqn, 'hostNqn', 65_536));
    this.#checkOpen();
    await operate<void>(
      (op) => binding.engineDropHost(this.#id, op, volume, hostNqn),
      pathFailure('drop a host', volume),
    );
  }

  /** NQNs of the hosts that are connected to an NQN, or whose last I/O is still finishing. */
  async hosts(nqn: string): Promise<readonly string[]> {
    return (await this.connectedHosts(nqn)).map((host) => host.nqn);
  }

  /** The same, and what was heard of them; by NQN, once each. */
  async connectedHosts(nqn: string): Promise<readonly ConnectedHost[]> {
    checkNqn(checkText(nqn, 'nqn', 65_536));
    this.#checkOpen();
    return operate<readonly ConnectedHost[]>(
      (op) => binding.engineHosts(this.#id, op, nqn),
      engineFailure(`list hosts of ${nqn}`),
    );
  }

  /** Answers what was bound: with the port that was chosen when 0 was asked. */
  async listen(options: ListenOptions): Promise<ListenAddress> {
    const native = checkListenOptions(options);
    this.#checkOpen();
    return operate<NativeResults['address']>(
      (op) => binding.engineListen(this.#id, op, native),
      listenFailure(formatTcp(options)),
    );
  }

  /** `latency`: with the histograms of every volume, which are most of it. */
  stats({ latency = false }: StatsOptions = {}): EngineStats {
    // In the order of the volumes.
    const words = this.#readCounters([...this.#stats.values()], latency);
    return readStats(words, [...this.#volumes.values()], { latency });
  }

  /** As stats(), of the same moment: for many volumes, which are read without holding the event loop. */
  statsByVolume({ latency = false }: StatsOptions = {}): StatsByVolume {
    const words = this.#readCounters([...this.#stats.values()], latency);
    return readStatsByVolume(words, [...this.#volumes.values()], { latency });
  }

  /** Of one volume; undefined where there is none of this name. */
  volumeStats(name: string, { latency = false }: StatsOptions = {}): VolumeStats | undefined {
    const info = this.#volumes.get(checkText(name, 'name', 255));
    const stats = this.#stats.get(name);
    const found = info !== undefined && stats !== undefined;
    const words = this.#readCounters(found ? [stats] : [], latency);
    return readStats(words, found ? [info] : [], { latency }).volumes[0];
  }

  features(): EngineFeatures {
    return binding.features();
  }

  async connect(options: ConnectOptions): Promise<Controller> {
    return this.connectWith(options, async () => undefined);
  }

  /** As connect(); `afterClose` runs when the controller has been closed. For connect() of connect.ts. */
  async connectWith(options: ConnectOptions, afterClose: () => Promise<void>): Promise<Controller> {
    const native = checkConnectOptions(options);
    const { signal } = options;
    if (signal?.aborted) throw new AbortedError('connect', { cause: signal.reason });
    this.#checkOpen();
    const target = `${formatTcp(native)}/${native.nqn}`;
    let id = 0;
    let controller: Controller | undefined;
    let lastState: readonly [ControllerState, string] | undefined;
    const connecting = operate<NativeResults['controller']>((op) => {
      id = binding.engineConnect(this.#id, op, native);
      listenToState(id, (state, text) => {
        lastState = [state, text];
        controller?.changeState(state, text);
      });
    }, connectFailure(target));
    const connected = connecting.then(
      (answer) => {
        const made = new Controller(id, answer, async () => {
          this.#controllers.delete(made);
          await afterClose();
        });
        controller = made;
        if (lastState !== undefined) made.changeState(...lastState);
        this.#controllers.add(made);
        return made;
      },
      (error: unknown) => {
        forgetState(id);
        throw error;
      },
    );
    try {
      return await untilAborted(connected, 'connect', signal);
    } catch (error) {
      // Nobody will get it when the caller gave up: it is closed as soon as it is there.
      if (signal?.aborted) connected.then((late) => late.close()).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Makes a block device of a namespace: a FUSE file with a loop device over it. Needs root. The device lives
   * until it is detached; a controller that is closed before leaves it with errors.
   */
  async attach(controller: Controller, options: AttachOptions): Promise<Attachment> {
    const native = checkAttachOptions(options);
    this.#checkOpen();
    const toError = attachFailure(native.uuid, native.driver, controller.info.subsystemNqn, native.nsid);
    const made = await operate<NativeResults['attachment']>(
      (op) => binding.attachmentStart(this.#id, op, controller.nativeId, native),
      toError,
    );
    return new Attachment(this.#id, made, toError);
  }

  async discover(options: DiscoverOptions): Promise<DiscoveryEntry[]> {
    const native = checkDiscoverOptions(options);
    const { signal } = options;
    if (signal?.aborted) throw new AbortedError('discover', { cause: signal.reason });
    this.#checkOpen();
    const found = operate<NativeResults['discovery']>(
      (op) => binding.engineDiscover(this.#id, op, native),
      connectFailure(formatTcp(native)),
    );
    const entries = await untilAborted(found, 'discover', signal);
    return entries.map((entry) => ({ ...entry, port: Number(entry.port) }));
  }

  /** Stops listening, closes controllers, lets hosts' I/O in flight finish. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#controllers].map((controller) => controller.close()));
    // First, and while answers of the store still get there: a head ends when what it asked is answered.
    const mirrors = [...this.#volumes.values()].filter(({ kind }) => kind === 'mirror');
    await Promise.allSettled(mirrors.map(({ name }) => this.#remove(name)));
    await operate<void>(
      (op) => binding.engineClose(this.#id, op),
      ({ text }) => new NativeError('close', text),
    );
    forgetMirrors(this.#id);
    this.#forgetLog?.();
  }

  #readCounters(volumes: readonly NativeVolumeStats[], latency: boolean): BigUint64Array {
    this.#checkOpen();
    const words = binding.engineStats(this.#id, volumes, latency);
    if (words === undefined) throw new ClosedError('the engine');
    return words;
  }

  protected override get nativeId(): number {
    return this.#id;
  }

  protected override useEngine(): number {
    this.#checkOpen();
    return this.#id;
  }

  protected override forgetVolumes(pool: string): void {
    for (const [name, from] of this.#poolOf) {
      if (from === pool) this.#forgetVolume(name);
    }
  }

  protected override volumeResized(name: string, sizeBytes: bigint): void {
    const info = this.#volumes.get(name);
    if (info !== undefined) this.#volumes.set(name, { ...info, sizeBytes });
  }

  #forgetVolume(name: string): void {
    this.#volumes.delete(name);
    this.#stats.delete(name);
    this.#poolOf.delete(name);
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('the engine');
  }
}
