// An engine for tests of the command line and of the control plane: it remembers what it was asked and
// answers from memory. Refuses what the real one refuses where a caller depends on it (a second volume of a
// name, a range behind the namespace, a missing key). What it does with pools is in fake-pools.ts.
import { VolumeNotFoundError } from '../../src/base/control-errors.js';
import { DuplicateVolumeError, NamespaceNotFoundError, VolumeOpenError } from '../../src/base/errors.js';
import type { ControllerPort, EnginePort, NamespacePort } from '../../src/cli/engine-port.js';
import type {
  MirrorInfo,
  MirrorListeners,
  MirrorMemberOptions,
  MirrorOptions,
  ReplicaInfo,
  ReplicaOptions,
  StoreAnswer,
} from '../../src/native/mirror-types.js';
import type {
  AnaState,
  ConnectedHost,
  ConnectOptions,
  ControllerInfo,
  DiscoverOptions,
  DiscoveryEntry,
  EngineOptions,
  ListenOptions,
  NamespaceInfo,
  PerfOptions,
  PerfProgress,
  PerfResult,
  QosBudget,
  QosLimits,
  StatsByVolume,
  VolumeInfo,
  VolumeOptions,
} from '../../src/native/types.js';
import { FakeMirrors } from './fake-mirrors.js';
import { FakeDisks, FakePools } from './fake-pools.js';

const latencyUs = { mean: 10, p50: 9, p90: 15, p99: 20, p999: 30, max: 40 };

export class FakeNamespace implements NamespacePort {
  readonly content: Buffer;
  readonly writes: { lba: bigint; bytes: number }[] = [];

  constructor(readonly info: NamespaceInfo) {
    this.content = Buffer.alloc(Number(info.blocksCount) * info.blockSizeBytes);
  }

  async read(lba: bigint, blocksCount: number): Promise<Buffer> {
    const begin = this.#offset(lba, blocksCount);
    return this.content.subarray(begin, begin + blocksCount * this.info.blockSizeBytes);
  }

  async write(lba: bigint, data: Buffer): Promise<void> {
    data.copy(this.content, this.#offset(lba, data.length / this.info.blockSizeBytes));
    this.writes.push({ lba, bytes: data.length });
  }

  #offset(lba: bigint, blocksCount: number): number {
    if (lba + BigInt(blocksCount) > this.info.blocksCount)
      throw new NamespaceNotFoundError('', this.info.nsid);
    return Number(lba) * this.info.blockSizeBytes;
  }
}

export class FakeEngine extends FakePools implements EnginePort {
  readonly mirrors: FakeMirrors;
  readonly volumes: VolumeOptions[] = [];
  /** Of hosts that are connected, to whatever there is. */
  controllers = 0;
  /** NQNs of hosts that are connected, by that of the volume. */
  readonly connected = new Map<string, readonly string[]>();
  /** Copies of the keys that volumes came with, by name: the caller overwrites its own. */
  readonly keys = new Map<string, Buffer>();
  readonly listeners: ListenOptions[] = [];
  readonly anaStates = new Map<string, AnaState>();
  readonly connects: ConnectOptions[] = [];
  readonly discovers: DiscoverOptions[] = [];
  readonly perfs: PerfOptions[] = [];
  readonly steps: string[] = [];
  started: EngineOptions | undefined;
  closed = 0;
  controllersOpen = 0;
  budget: QosBudget | undefined;
  entries: DiscoveryEntry[] = [];
  failConnect: Error | undefined;
  perfResult: Partial<PerfResult> = {};
  perfWaits = false;
  readonly namespace = new FakeNamespace({
    nsid: 1,
    blockSizeBytes: 512,
    blocksCount: 64n,
    uuid: '11111111-2222-3333-4444-555555555555',
    nguid: '11111111222233334444555555555555',
    supportsWriteZeroes: true,
    supportsDeallocate: true,
    supportsCompare: false,
  });

  constructor(disks = new FakeDisks()) {
    super(
      disks,
      (pool, name) => this.volumes.some((volume) => volume.pool === pool && volume.name === name),
      (pool) => {
        const left = this.volumes.filter((volume) => volume.pool !== pool);
        this.volumes.splice(0, this.volumes.length, ...left);
      },
    );
    this.mirrors = new FakeMirrors(
      disks.replicas,
      (pool, volume) => this.volume(pool, volume).info.sizeBytes,
    );
  }

  addVolume(options: VolumeOptions): Promise<VolumeInfo> {
    return this.run('addVolume', options.name, () => {
      this.steps.push(`volume ${options.name}`);
      const { name, kind, nqn, uuid, mirror } = options;
      const blockSizeBytes = mirror?.record.blockSizeBytes ?? options.blockSizeBytes ?? 4096;
      if (this.volumes.some((volume) => volume.name === name)) {
        throw new DuplicateVolumeError(name, 'the engine has one of this name');
      }
      if (mirror !== undefined) this.mirrors.add(name, mirror);
      const mirrored = mirror && mirror.record.blocksCount * BigInt(blockSizeBytes);
      const sizeBytes =
        kind === 'pool' ? this.#checkPoolVolume(options) : (mirrored ?? options.sizeBytes ?? 0n);
      const nsid = this.volumes.filter((volume) => volume.nqn === nqn).length + 1;
      this.volumes.push(options);
      const durable = kind === 'file' || kind === 'pool' || kind === 'mirror';
      return { name, kind, nqn, nsid, uuid, sizeBytes, blockSizeBytes, durable };
    });
  }

  #checkPoolVolume({ name, pool = '', key }: VolumeOptions): bigint {
    const { wrappedKey, sizeBytes } = this.volume(pool, name).info;
    if (wrappedKey === undefined && key !== undefined) throw new VolumeOpenError(name, 'is not encrypted');
    if (wrappedKey !== undefined && key?.length !== 64) throw new VolumeOpenError(name, 'needs its key');
    if (key !== undefined) this.keys.set(name, Buffer.from(key));
    return sizeBytes;
  }

  async setAnaState(volume: string, state: AnaState): Promise<void> {
    if (!this.volumes.some(({ name }) => name === volume)) throw new VolumeNotFoundError(volume);
    this.anaStates.set(volume, state);
  }

  async addReplica(options: ReplicaOptions): Promise<ReplicaInfo> {
    this.steps.push(`replica ${options.name}`);
    return this.mirrors.addReplica(options);
  }

  removeReplica(name: string): Promise<void> {
    return this.mirrors.removeReplica(name);
  }

  replicaInfo(name: string): Promise<ReplicaInfo> {
    return this.mirrors.replicaInfo(name);
  }

  mirrorInfo(volume: string): Promise<MirrorInfo> {
    return this.mirrors.mirrorInfo(volume);
  }

  addMirrorMember(volume: string, member: MirrorMemberOptions): Promise<void> {
    return this.mirrors.addMirrorMember(volume, member);
  }

  removeMirrorMember(volume: string, uuid: string): Promise<void> {
    return this.mirrors.removeMirrorMember(volume, uuid);
  }

  async growMirror(volume: string, sizeBytes: bigint): Promise<void> {
    this.calls.push(`growMirror ${volume} ${sizeBytes}`);
    this.mirrors.growMirror(volume, sizeBytes);
  }

  async resizeMirror(volume: string): Promise<bigint> {
    this.calls.push(`resizeMirror ${volume}`);
    return this.mirrors.sizeOf(volume);
  }

  async snapshotMirror(volume: string, uuid: string): Promise<void> {
    this.mirrors.snapshot(volume, uuid);
  }

  async deleteMirrorSnapshot(volume: string, uuid: string): Promise<void> {
    this.mirrors.deleteSnapshot(volume, uuid);
  }

  async carryMirrorSnapshot(volume: string, uuid: string, from: string, to: string): Promise<void> {
    this.mirrors.carry(volume, uuid, from, to);
  }

  async memberSnapshots(volume: string, replica: string): Promise<readonly string[] | undefined> {
    return this.mirrors.listSnapshots(volume, replica);
  }

  async cancelMirrorCarry(volume: string): Promise<void> {
    this.mirrors.cancelCarry(volume);
  }

  async setMirrorResyncRate(volume: string, bytesPerSecond: bigint): Promise<void> {
    this.mirrors.setResyncRate(volume, bytesPerSecond);
  }

  async startMirrorVerify(volume: string): Promise<void> {
    this.mirrors.startVerify(volume);
  }

  async cancelMirrorVerify(volume: string): Promise<void> {
    this.mirrors.cancelVerify(volume);
  }

  promoteMirror(volume: string, mirror: MirrorOptions): Promise<void> {
    return this.run('promote', volume, () => this.mirrors.promote(volume, mirror));
  }

  demoteMirror(volume: string): Promise<void> {
    return this.run('demote', volume, () => this.mirrors.demote(volume));
  }

  listenToMirrors(listeners: MirrorListeners): void {
    this.mirrors.listeners = listeners;
  }

  answerStore(volume: string, answer: StoreAnswer): void {
    this.mirrors.answerStore(volume, answer);
  }

  setQos(name: string, limits: QosLimits): Promise<void> {
    return this.run('setQos', name, () => {
      const index = this.volumes.findIndex((volume) => volume.name === name);
      const found = this.volumes[index];
      if (found === undefined) throw new VolumeNotFoundError(name);
      this.volumes[index] = { ...found, qos: limits };
    });
  }

  setQosBudget(budget: QosBudget): Promise<void> {
    return this.run('setQosBudget', String(budget.iops), () => {
      this.budget = budget;
    });
  }

  removeVolume(name: string): Promise<void> {
    return this.run('removeVolume', name, () => {
      const index = this.volumes.findIndex((volume) => volume.name === name);
      if (index < 0) throw new VolumeOpenError(name, 'is not served');
      this.volumes.splice(index, 1);
    });
  }

  setHosts(nqn: string, hosts: readonly string[] | undefined): Promise<void> {
    return this.run('setHosts', `${nqn} ${hosts?.join(' ') ?? 'any'}`.trim(), () => {
      if ([...this.mirrors.replicas.values()].some((replica) => replica.nqn === nqn)) return;
      const index = this.volumes.findIndex((volume) => volume.nqn === nqn);
      const found = this.volumes[index];
      if (found === undefined) throw new VolumeOpenError(nqn, 'is not served');
      const { hosts: _before, ...rest } = found;
      this.volumes[index] = { ...rest, ...(hosts !== undefined && { hosts }) };
      const left = (this.connected.get(nqn) ?? []).filter((host) => hosts?.includes(host) ?? true);
      this.connected.set(nqn, left);
    });
  }

  async connectedHosts(nqn: string): Promise<readonly ConnectedHost[]> {
    const host = { keepAliveMs: 5_000, silentMs: 0, ending: false };
    return (await this.hosts(nqn)).map((one) => ({ ...host, nqn: one }));
  }

  hosts(nqn: string): Promise<readonly string[]> {
    const some = Array.from({ length: this.controllers }, (_, i) => `nqn.2026-11.dev.ballast:host:${i}`);
    return this.run('hosts', nqn, () => [...(this.connected.get(nqn) ?? []), ...some]);
  }

  async listen(options: ListenOptions) {
    this.steps.push('listen');
    this.listeners.push(options);
    return { host: options.host, port: options.port === 0 ? 40_000 + this.listeners.length : options.port };
  }

  statsByVolume(): StatsByVolume {
    const transport = { connections: 0, connectionsTotal: 0n, bytesReceived: 0n, bytesSent: 0n };
    const rest = { receives: 0n, sends: 0n, flushes: 0n, dataDigestErrors: 0n, pduErrors: [] };
    const waits = { inFlightUnits: 0, waitingVolumes: 0, rateWaits: 0n, depthWaits: 0n };
    return {
      reactors: [],
      volume: () => undefined,
      transport: { ...transport, ...rest },
      qos: { ...waits, guaranteedIops: 0 },
      controllers: this.controllers,
      keepAliveTimeouts: 0,
      logLinesDropped: 0,
    };
  }

  volumeStats(): undefined {
    return undefined;
  }

  async discover(options: DiscoverOptions): Promise<readonly DiscoveryEntry[]> {
    this.discovers.push(options);
    return this.entries;
  }

  async connect(options: ConnectOptions): Promise<ControllerPort> {
    this.connects.push(options);
    if (this.failConnect !== undefined) throw this.failConnect;
    this.controllersOpen += 1;
    const info: ControllerInfo = {
      controllerId: 7,
      serialNumber: 'SERIAL',
      modelNumber: 'MODEL\u001b[2J',
      firmwareRevision: '1',
      subsystemNqn: options.nqn,
      version: '2.1.0',
      transferBytesMax: 8192,
      inCapsuleBytes: 8192,
      ioQueues: options.ioQueues ?? 1,
      queueEntries: options.queueEntries ?? 128,
    };
    return {
      info,
      namespaces: [this.namespace],
      paths: async () =>
        [options, ...(options.otherAddresses ?? [])].map(({ host, port = 4420 }) => ({
          host,
          port,
          state: 'live',
          controllerId: 7,
          ana: [{ nsid: 1, state: 'optimized' }],
        })),
      perf: (perfOptions, onProgress) => this.#perf(perfOptions, onProgress),
      close: async () => {
        this.controllersOpen -= 1;
      },
    };
  }

  async #perf(options: PerfOptions, onProgress?: (progress: PerfProgress) => void): Promise<PerfResult> {
    this.perfs.push(options);
    const { signal } = options;
    if (this.perfWaits && !signal?.aborted) {
      await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
    }
    onProgress?.({ elapsedSeconds: 1, iops: 100, bytesPerSecond: 409_600, errors: 0 });
    return {
      seconds: 2,
      reads: 140,
      writes: 60,
      errors: 0,
      errorCounts: [],
      blocksChecked: 0,
      verifyErrors: 0,
      firstMismatch: '',
      iops: 100,
      bytesPerSecond: 2 << 20,
      latencyUs,
      readLatencyUs: latencyUs,
      writeLatencyUs: latencyUs,
      cpuSecondsPerMillion: 2.5,
      ...this.perfResult,
    };
  }

  async close(): Promise<void> {
    this.steps.push('close');
    this.closed += 1;
  }
}
