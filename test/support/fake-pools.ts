// Pools in memory that behave as the engine's: what is on "disks" outlives an engine, names and rules of
// volumes, snapshots and clones, ranges by 4 KiB block. Refuses what the real one refuses. A verb can be
// made to fail, or to do its work and never answer, which is what a crash looks like from above.
import { randomUUID } from 'node:crypto';
import { existsSync, truncateSync, writeFileSync } from 'node:fs';
import { InvalidArgumentError } from '../../src/base/errors.js';
import {
  NoSpaceError,
  PoolDeviceError,
  PoolExistsError,
  PoolFailedError,
  PoolInUseError,
  PoolNotFoundError,
  SnapshotExistsError,
  SnapshotNotFoundError,
  VolumeInUseError,
} from '../../src/base/pool-errors.js';
import type { ReplicaInfo } from '../../src/native/mirror-types.js';
import type {
  PoolCheckOptions,
  PoolCheckProgress,
  PoolCheckReport,
  PoolCreateOptions,
  PoolDeviceOptions,
  PoolEngine,
  PoolInfo,
  PoolPolicy,
  PoolRanges,
  PoolRangesOptions,
  PoolSnapshotInfo,
  PoolSnapshotOptions,
  PoolVolumeInfo,
  PoolVolumeOptions,
} from '../../src/native/pool-types.js';

const mib = 1n << 20n;
const block = 4096n;
const fileBytesMax = 1n << 40n; // every file system has sparse files of this size

/** Block number to what was written there. */
type Content = Map<bigint, number>;

interface StoredSnapshot {
  readonly info: PoolSnapshotInfo;
  readonly content: Content;
}

export interface StoredVolume {
  info: PoolVolumeInfo;
  content: Content;
  readonly snapshots: StoredSnapshot[];
}

interface StoredPool {
  readonly uuid: string;
  readonly name: string;
  readonly checksums: boolean;
  readonly extentBytes: number;
  readonly growsToBytes: bigint | undefined;
  readonly devices: { readonly uuid: string; readonly sizeBytes: bigint }[];
  policy: Required<PoolPolicy>;
  readonly volumes: StoredVolume[];
  exported: boolean;
  broken: boolean;
}

type Finding = PoolCheckReport['findings'][number];

/** What lies on disks: path to the device and its pool. Shared by the engines of one test. */
export class FakeDisks {
  /** What checkPool() finds, by the pool's name; a repair takes away those that it can. */
  readonly damage = new Map<string, readonly Finding[]>();
  /** How far checkPool() is; it ends when this is all. */
  checked = { doneBytes: 0n, totalBytes: 0n };
  readonly devices = new Map<string, { readonly uuid: string; readonly pool: StoredPool }>();
  /** Sizes of what exists without being of a pool; files that a pool makes are made, empty. */
  readonly blank = new Map<string, bigint>();
  /** Replicas by where their data is: a path, or POOL/VOLUME. */
  readonly replicas = new Map<string, ReplicaInfo>();
}

export function finding(
  severity: Finding['severity'],
  repair: Finding['repair'],
  where: string,
  what: string,
): Finding {
  return { severity, repair, where, what, repaired: false };
}

function checkReport(
  name: string,
  uuid: string,
  volumes: number,
  findings: readonly Finding[],
): PoolCheckReport {
  return {
    name,
    uuid,
    findings,
    findingsLeftOut: 0n,
    counters: {
      devices: 1,
      superblockCopies: 4,
      treePages: 5n,
      keys: 9n,
      journalGroups: 2n,
      journalRecords: 3n,
      volumes: BigInt(volumes),
      layers: BigInt(volumes),
      slots: 0n,
      extentsUsed: 0n,
      extentsLeaked: 0n,
      pagesLeaked: 0n,
    },
  };
}

interface OpenPool {
  readonly stored: StoredPool;
  readonly paths: Map<string, string>;
  scrub: { running: boolean; doneBytes: bigint; totalBytes: bigint; errors: bigint };
}

export type Verb =
  | keyof PoolEngine
  | 'addVolume'
  | 'removeVolume'
  | 'setHosts'
  | 'hosts'
  | 'promote'
  | 'demote'
  | 'setQos'
  | 'setQosBudget';

export class FakePools implements PoolEngine {
  readonly open = new Map<string, OpenPool>();
  readonly calls: string[] = [];
  readonly #failures = new Map<Verb, Error>();
  readonly #lateFailures = new Map<Verb, Error>();
  readonly #crashes = new Set<Verb>();
  nowSeconds = 1_795_305_600;

  constructor(
    readonly disks: FakeDisks,
    readonly isServed: (pool: string, volume: string) => boolean,
    readonly stopServing: (pool: string) => void,
  ) {}

  /** The next call of this verb changes nothing and fails. */
  fail(verb: Verb, error: Error): void {
    this.#failures.set(verb, error);
  }

  /** The next call of this verb does its work and fails. */
  failAfter(verb: Verb, error: Error): void {
    this.#lateFailures.set(verb, error);
  }

  /** The next call of this verb does its work and never answers. */
  crashAfter(verb: Verb): void {
    this.#crashes.add(verb);
  }

  async run<T>(verb: Verb, what: string, work: () => T): Promise<T> {
    await Promise.resolve();
    this.calls.push(`${verb} ${what}`.trim());
    const failure = this.#failures.get(verb);
    this.#failures.delete(verb);
    if (failure !== undefined) throw failure;
    const result = work();
    const late = this.#lateFailures.get(verb);
    this.#lateFailures.delete(verb);
    if (late !== undefined) throw late;
    if (this.#crashes.delete(verb)) {
      this.calls.push('crash');
      return new Promise(() => undefined);
    }
    return result;
  }

  createPool(options: PoolCreateOptions): Promise<PoolInfo> {
    const { name, devices, checksums = true, extentBytes = 1 << 20, growsToBytes, force = false } = options;
    const { overcommitPercent = 0, reservePercent = 0 } = options;
    return this.run('createPool', name, () => {
      if (this.open.has(name)) throw new PoolExistsError(name, 'it is open');
      for (const { path } of devices) {
        const found = this.disks.devices.get(path);
        if (found === undefined || force) continue;
        throw new PoolDeviceError(path, `has a pool on it, '${found.pool.name}'; import it, or force`);
      }
      const made = devices.map((device) => ({ ...device, uuid: randomUUID(), bytes: this.#sizeOf(device) }));
      const stored: StoredPool = {
        uuid: randomUUID(),
        name,
        checksums,
        extentBytes,
        growsToBytes,
        devices: made.map(({ uuid, bytes }) => ({ uuid, sizeBytes: bytes })),
        policy: { overcommitPercent, reservePercent },
        volumes: [],
        exported: false,
        broken: false,
      };
      for (const { path, uuid } of made) this.disks.devices.set(path, { uuid, pool: stored });
      return this.#opened(
        stored,
        made.map(({ path }) => path),
      );
    });
  }

  openPool(paths: readonly string[]): Promise<PoolInfo> {
    return this.run('openPool', paths.join(' '), () => {
      const found = paths.map((path) => {
        const device = this.disks.devices.get(path);
        if (device === undefined) throw new PoolDeviceError(path, 'is of no pool');
        return device;
      });
      const pool = found[0]?.pool;
      if (pool === undefined) throw new InvalidArgumentError('paths', 'at least one');
      const foreign = found.findIndex((device) => device.pool !== pool);
      if (foreign >= 0) throw new PoolDeviceError(paths[foreign] ?? '', 'is of another pool');
      const missing = pool.devices.find(({ uuid }) => !found.some((device) => device.uuid === uuid));
      if (missing !== undefined) throw new PoolFailedError('open', `device ${missing.uuid} is missing`);
      if (this.open.has(pool.name)) throw new PoolExistsError(pool.name, 'it is open');
      pool.exported = false;
      pool.broken = false;
      return this.#opened(pool, paths);
    });
  }

  closePool(pool: string, { exported = false }: { readonly exported?: boolean } = {}): Promise<void> {
    return this.run('closePool', `${pool}${exported ? ' exported' : ''}`, () => {
      const { stored } = this.#pool(pool);
      if (exported && stored.broken) throw new PoolFailedError('export', 'a disk failed');
      stored.exported = exported;
      this.stopServing(pool);
      this.open.delete(pool);
    });
  }

  destroyPool(pool: string): Promise<void> {
    return this.run('destroyPool', pool, () => {
      const { stored, paths } = this.#pool(pool);
      if (stored.volumes.length > 0) throw new PoolInUseError(pool, 'it has volumes');
      for (const path of paths.values()) {
        this.disks.devices.delete(path);
        this.disks.blank.set(path, 1n << 30n);
      }
      this.open.delete(pool);
    });
  }

  addPoolDevice(pool: string, device: PoolDeviceOptions): Promise<PoolInfo> {
    return this.run('addPoolDevice', `${pool} ${device.path}`, () => {
      const found = this.#pool(pool);
      if (this.disks.devices.has(device.path)) throw new PoolDeviceError(device.path, 'has a pool on it');
      const uuid = randomUUID();
      found.stored.devices.push({ uuid, sizeBytes: this.#sizeOf(device) });
      this.disks.devices.set(device.path, { uuid, pool: found.stored });
      found.paths.set(uuid, device.path);
      return this.#info(found);
    });
  }

  poolInfo(pool: string): Promise<PoolInfo> {
    return this.run('poolInfo', pool, () => this.#info(this.#pool(pool)));
  }

  setPoolPolicy(pool: string, policy: PoolPolicy): Promise<PoolInfo> {
    const { overcommitPercent = 0, reservePercent = 0 } = policy;
    return this.run('setPoolPolicy', `${pool} ${overcommitPercent} ${reservePercent}`, () => {
      const found = this.#pool(pool);
      found.stored.policy = { overcommitPercent, reservePercent };
      return this.#info(found);
    });
  }

  startScrub(pool: string, bytesPerSecond: bigint): Promise<void> {
    return this.run('startScrub', `${pool} ${bytesPerSecond}`, () => {
      const found = this.#pool(pool);
      if (found.scrub.running) throw new PoolInUseError(pool, 'it is being scrubbed');
      found.scrub = { running: true, doneBytes: 0n, totalBytes: 8n * mib, errors: 0n };
    });
  }

  stopScrub(pool: string): Promise<void> {
    return this.run('stopScrub', pool, () => {
      this.#pool(pool).scrub.running = false;
    });
  }

  poolCheckProgress(): PoolCheckProgress {
    return { ...this.disks.checked };
  }

  async checkPool(paths: readonly string[], options: PoolCheckOptions = {}): Promise<PoolCheckReport> {
    while (this.disks.checked.doneBytes < this.disks.checked.totalBytes) await Promise.resolve();
    const { repair = false, discardDamaged = false } = options;
    const flags = `${repair ? ' repair' : ''}${discardDamaged ? ' discard' : ''}`;
    return this.run('checkPool', `${paths.join(' ')}${flags}`, () => {
      if (discardDamaged && !repair) throw new InvalidArgumentError('discardDamaged', 'false without repair');
      const found = paths.map((path) => {
        const isOpen = [...this.open.values()].some(({ paths: open }) => [...open.values()].includes(path));
        if (isOpen) throw new PoolDeviceError(path, 'is in use by another process or volume');
        return this.disks.devices.get(path);
      });
      const foreign = found.indexOf(undefined);
      const pool = foreign < 0 ? found[0]?.pool : undefined;
      if (pool === undefined) {
        const what = 'no superblock on it is whole: it is of no pool';
        return checkReport('', '', 0, [finding('error', 'impossible', paths[foreign] ?? '', what)]);
      }
      const damage = this.disks.damage.get(pool.name) ?? [];
      const isRepaired = ({ repair: how }: Finding) =>
        repair && (how === 'safe' || (how === 'discards' && discardDamaged));
      this.disks.damage.set(
        pool.name,
        damage.filter((one) => !isRepaired(one)),
      );
      return checkReport(
        pool.name,
        pool.uuid,
        pool.volumes.length,
        damage.map((one) => ({ ...one, repaired: isRepaired(one) })),
      );
    });
  }

  poolAllocations(pool: string, volume?: string): Promise<ReadonlyMap<string, bigint>> {
    return this.run('poolAllocations', volume === undefined ? pool : `${pool} ${volume}`, () => {
      const { volumes } = this.#pool(pool).stored;
      const wanted = volumes.filter(({ info }) => volume === undefined || info.name === volume);
      return new Map(wanted.map(({ info }) => [info.uuid, this.allocatedOf(info)]));
    });
  }

  /** A thick volume has all of its room, a thin one a MiB. */
  allocatedOf({ thick, sizeBytes }: PoolVolumeInfo): bigint {
    return thick ? sizeBytes : mib;
  }

  poolVolumes(pool: string): Promise<readonly PoolVolumeInfo[]> {
    return this.run('poolVolumes', pool, () => this.#pool(pool).stored.volumes.map(({ info }) => info));
  }

  createPoolVolume(pool: string, options: PoolVolumeOptions): Promise<PoolVolumeInfo> {
    return this.run('createPoolVolume', `${pool} ${options.name}`, () => {
      if (options.sizeBytes === undefined) throw new InvalidArgumentError('sizeBytes', 'given');
      return this.#add(pool, options, options.sizeBytes, new Map(), '', options.wrappedKey);
    });
  }

  clonePoolVolume(
    pool: string,
    source: { readonly volume: string; readonly snapshot: string },
    options: PoolVolumeOptions,
  ): Promise<PoolVolumeInfo> {
    return this.run('clonePoolVolume', `${pool} ${source.volume}/${source.snapshot} ${options.name}`, () => {
      const origin = this.volume(pool, source.volume);
      const { info, content } = this.#snapshot(origin, source.snapshot);
      const sizeBytes = options.sizeBytes ?? info.sizeBytes;
      if (sizeBytes < info.sizeBytes) throw new InvalidArgumentError('sizeBytes', 'not below the snapshot');
      return this.#add(pool, options, sizeBytes, new Map(content), info.uuid, origin.info.wrappedKey);
    });
  }

  resizePoolVolume(pool: string, volume: string, sizeBytes: bigint): Promise<PoolVolumeInfo> {
    return this.run('resizePoolVolume', `${pool} ${volume} ${sizeBytes}`, () => {
      const found = this.volume(pool, volume);
      if ([...found.content.keys()].some((index) => index * block >= sizeBytes)) {
        throw new InvalidArgumentError('sizeBytes', 'large enough for the data that is there');
      }
      found.info = { ...found.info, sizeBytes };
      return found.info;
    });
  }

  renamePoolVolume(pool: string, volume: string, name: string): Promise<PoolVolumeInfo> {
    return this.run('renamePoolVolume', `${pool} ${volume} ${name}`, () => {
      const found = this.#unserved(pool, volume);
      found.info = { ...found.info, name };
      return found.info;
    });
  }

  revertPoolVolume(pool: string, volume: string, snapshot: string): Promise<PoolVolumeInfo> {
    return this.run('revertPoolVolume', `${pool} ${volume} ${snapshot}`, () => {
      const found = this.#unserved(pool, volume);
      const { info, content } = this.#snapshot(found, snapshot);
      found.content = new Map(content);
      found.info = { ...found.info, sizeBytes: info.sizeBytes };
      return found.info;
    });
  }

  deletePoolVolume(pool: string, volume: string, options: { readonly erase?: boolean } = {}): Promise<void> {
    return this.run('deletePoolVolume', `${pool} ${volume}${options.erase ? ' erase' : ''}`, () => {
      const found = this.#unserved(pool, volume);
      if (found.snapshots.length > 0) throw new VolumeInUseError(volume, 'it has snapshots');
      const { volumes } = this.#pool(pool).stored;
      volumes.splice(volumes.indexOf(found), 1);
    });
  }

  setPoolVolumeKey(pool: string, volume: string, wrappedKey: Uint8Array): Promise<void> {
    return this.run('setPoolVolumeKey', `${pool} ${volume} ${wrappedKey.length === 0 ? 'none' : ''}`, () => {
      if (wrappedKey.length > 1024) throw new InvalidArgumentError('wrappedKey', 'at most 1,024 bytes');
      const found = this.volume(pool, volume);
      found.info = { ...found.info, wrappedKey: new Uint8Array(wrappedKey) };
    });
  }

  poolSnapshots(pool: string, volume: string): Promise<readonly PoolSnapshotInfo[]> {
    return this.run('poolSnapshots', `${pool} ${volume}`, () =>
      this.volume(pool, volume).snapshots.map(({ info }) => info),
    );
  }

  createPoolSnapshots(
    pool: string,
    snapshots: readonly PoolSnapshotOptions[],
  ): Promise<readonly PoolSnapshotInfo[]> {
    const what = snapshots.map(({ volume, name }) => `${volume}/${name}`).join(' ');
    return this.run('createPoolSnapshots', `${pool} ${what}`, () => {
      const found = snapshots.map((one) => ({ one, volume: this.volume(pool, one.volume) }));
      for (const { one, volume } of found) {
        if (volume.snapshots.some(({ info }) => info.name === one.name)) {
          throw new SnapshotExistsError(one.volume, one.name);
        }
      }
      this.nowSeconds += 1;
      return found.map(({ one: { name, uuid }, volume }) => {
        const info = { name, uuid, sizeBytes: volume.info.sizeBytes, createdAt: this.nowSeconds };
        volume.snapshots.push({ info, content: new Map(volume.content) });
        return info;
      });
    });
  }

  deletePoolSnapshot(pool: string, volume: string, snapshot: string): Promise<void> {
    return this.run('deletePoolSnapshot', `${pool} ${volume}/${snapshot}`, () => {
      const { snapshots } = this.volume(pool, volume);
      const index = snapshots.findIndex(({ info }) => info.name === snapshot);
      if (index < 0) throw new SnapshotNotFoundError(volume, snapshot);
      snapshots.splice(index, 1);
    });
  }

  poolRanges(options: PoolRangesOptions): Promise<PoolRanges> {
    return this.run('poolRanges', `${options.pool} ${options.volume}`, () => {
      const { pool, volume, snapshot, since, offsetBytes = 0n, countMax } = options;
      const found = this.volume(pool, volume);
      const content = snapshot === undefined ? found.content : this.#snapshot(found, snapshot).content;
      const older = since === undefined ? new Map() : this.#snapshot(found, since).content;
      const all = new Set([...content.keys(), ...older.keys()]);
      const indexes = [...all].filter((index) => content.get(index) !== older.get(index));
      const ranges: { offsetBytes: bigint; lengthBytes: bigint }[] = [];
      for (const index of indexes.sort((a, b) => Number(a - b))) {
        const at = index * block;
        const last = ranges.at(-1);
        if (at < offsetBytes) continue;
        if (last !== undefined && last.offsetBytes + last.lengthBytes === at) last.lengthBytes += block;
        else if (ranges.length === countMax) return { ranges, nextOffsetBytes: at };
        else ranges.push({ offsetBytes: at, lengthBytes: block });
      }
      return { ranges };
    });
  }

  /** What a host would do. */
  write(pool: string, volume: string, blockIndex: bigint, value: number): void {
    this.volume(pool, volume).content.set(blockIndex, value);
  }

  volume(pool: string, name: string): StoredVolume {
    const found = this.#pool(pool).stored.volumes.find(({ info }) => info.name === name);
    if (found === undefined) throw new PoolFailedError('volume', `pool '${pool}' has no volume '${name}'`);
    return found;
  }

  breakPool(pool: string): void {
    this.#pool(pool).stored.broken = true;
  }

  scrubOf(pool: string): OpenPool['scrub'] {
    return this.#pool(pool).scrub;
  }

  #pool(name: string): OpenPool {
    const found = this.open.get(name);
    if (found === undefined) throw new PoolNotFoundError(name);
    return found;
  }

  #unserved(pool: string, volume: string): StoredVolume {
    const found = this.volume(pool, volume);
    if (this.isServed(pool, volume)) throw new VolumeInUseError(volume, 'it is served');
    return found;
  }

  #snapshot(volume: StoredVolume, name: string): StoredSnapshot {
    const found = volume.snapshots.find(({ info }) => info.name === name);
    if (found === undefined) throw new SnapshotNotFoundError(volume.info.name, name);
    return found;
  }

  #add(
    pool: string,
    { name, uuid, thick = false }: PoolVolumeOptions,
    sizeBytes: bigint,
    content: Content,
    originUuid: string,
    wrappedKey: Uint8Array | undefined,
  ): PoolVolumeInfo {
    const found = this.#pool(pool);
    if (sizeBytes <= 0n || sizeBytes % block !== 0n)
      throw new InvalidArgumentError('sizeBytes', 'a multiple');
    if (found.stored.volumes.some(({ info }) => info.name === name)) {
      throw new PoolFailedError('create', `there is a volume '${name}'`);
    }
    if (thick && sizeBytes > this.#info(found).freeBytes)
      throw new NoSpaceError('create', 'the pool is full');
    this.nowSeconds += 1;
    const info: PoolVolumeInfo = {
      name,
      uuid,
      sizeBytes,
      thick,
      createdAt: this.nowSeconds,
      originUuid,
      ...(wrappedKey !== undefined && { wrappedKey: new Uint8Array(wrappedKey) }),
    };
    found.stored.volumes.push({ info, content, snapshots: [] });
    return info;
  }

  #sizeOf({ path, sizeBytes }: PoolDeviceOptions): bigint {
    if (sizeBytes !== undefined) {
      if (!existsSync(path)) {
        writeFileSync(path, '');
        truncateSync(path, Number(sizeBytes < fileBytesMax ? sizeBytes : fileBytesMax));
      }
      return sizeBytes;
    }
    return this.disks.blank.get(path) ?? 1n << 30n;
  }

  #opened(stored: StoredPool, paths: readonly string[]): PoolInfo {
    const byUuid = new Map(paths.map((path) => [this.disks.devices.get(path)?.uuid ?? '', path]));
    const scrub = { running: false, doneBytes: 0n, totalBytes: 0n, errors: 0n };
    const opened: OpenPool = { stored, paths: byUuid, scrub };
    this.open.set(stored.name, opened);
    return this.#info(opened);
  }

  #info({ stored, paths, scrub }: OpenPool): PoolInfo {
    const { name, uuid, checksums, extentBytes, growsToBytes, policy, volumes, broken } = stored;
    const devices = stored.devices.map((device) => ({
      ...device,
      path: paths.get(device.uuid) ?? '',
      extentsCount: device.sizeBytes / BigInt(extentBytes),
    }));
    const totalBytes = devices.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n);
    const metadataBytes = 32n * mib;
    const beyond = growsToBytes === undefined ? 0n : totalBytes - growsToBytes;
    const withoutMetadataBytes = beyond > 0n ? beyond : 0n;
    const capacityBytes = totalBytes - metadataBytes - withoutMetadataBytes;
    const blocks = volumes.reduce(
      (sum, { content, info }) => sum + (info.thick ? info.sizeBytes / block : BigInt(content.size)),
      0n,
    );
    return {
      name,
      uuid,
      devices,
      checksums,
      extentBytes,
      capacityBytes,
      usedBytes: blocks * block,
      freeBytes: capacityBytes - blocks * block,
      withoutMetadataBytes,
      metadataBytes,
      metadataUsedBytes: 4096n,
      provisionedBytes: volumes.reduce((sum, { info }) => sum + info.sizeBytes, 0n),
      ...policy,
      volumesCount: volumes.length,
      layersCount: volumes.reduce((sum, { snapshots }) => sum + 1 + snapshots.length, 0),
      working: false,
      broken,
      scrub: { ...scrub },
    };
  }
}
