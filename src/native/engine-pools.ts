// The engine's members for pools and what is in them: arguments are checked, the addon is called, failures
// become errors. `Engine` is made of it.
import { binding, type NativeResults } from './binding.js';
import { checkBoolean, checkU64 } from './checks.js';
import { poolFailure, poolVolumeFailure } from './failures.js';
import { operate } from './operations.js';
import {
  checkName,
  checkPoolCheck,
  checkPoolDevice,
  checkPoolOptions,
  checkPoolPaths,
  checkPoolPolicy,
  checkPoolRanges,
  checkPoolSnapshots,
  checkPoolVolume,
  checkVolumeSize,
  checkWrappedKey,
  now,
} from './pool-arguments.js';
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
} from './pool-types.js';

const treePageBytes = 4096n;

export abstract class EnginePools implements PoolEngine {
  /** The engine's number in the addon. Throws when the engine is closed. */
  protected abstract useEngine(): number;
  /** Volumes of this pool are not served any more. */
  protected abstract forgetVolumes(pool: string): void;
  protected abstract volumeResized(name: string, sizeBytes: bigint): void;

  async createPool(options: PoolCreateOptions): Promise<PoolInfo> {
    const native = checkPoolOptions(options);
    const engine = this.useEngine();
    const paths = native.devices.map(({ path }) => path);
    return operate<NativeResults['pool']>(
      (op) => binding.poolCreate(engine, op, native),
      poolFailure('create', native.name, paths),
    );
  }

  async openPool(paths: readonly string[]): Promise<PoolInfo> {
    checkPoolPaths(paths);
    const engine = this.useEngine();
    return operate<NativeResults['pool']>(
      (op) => binding.poolOpen(engine, op, paths),
      poolFailure('open a pool', '', paths),
    );
  }

  async closePool(pool: string, { exported }: { readonly exported?: boolean } = {}): Promise<void> {
    checkName(pool, 'pool');
    const isExported = checkBoolean(exported, 'exported');
    const engine = this.useEngine();
    await operate<void>((op) => binding.poolClose(engine, op, pool, isExported), poolFailure('close', pool));
    this.forgetVolumes(pool);
  }

  async destroyPool(pool: string): Promise<void> {
    checkName(pool, 'pool');
    const engine = this.useEngine();
    await operate<void>((op) => binding.poolDestroy(engine, op, pool), poolFailure('destroy', pool));
  }

  async addPoolDevice(pool: string, device: PoolDeviceOptions): Promise<PoolInfo> {
    checkName(pool, 'pool');
    const native = checkPoolDevice(device);
    const engine = this.useEngine();
    return operate<NativeResults['pool']>(
      (op) => binding.poolAddDevice(engine, op, pool, native),
      poolFailure('add a device to', pool, [native.path]),
    );
  }

  async poolInfo(pool: string): Promise<PoolInfo> {
    checkName(pool, 'pool');
    const engine = this.useEngine();
    return operate<NativeResults['pool']>(
      (op) => binding.poolInfo(engine, op, pool),
      poolFailure('show', pool),
    );
  }

  async setPoolPolicy(pool: string, policy: PoolPolicy): Promise<PoolInfo> {
    checkName(pool, 'pool');
    const { overcommitPercent, reservePercent } = checkPoolPolicy(policy);
    const engine = this.useEngine();
    return operate<NativeResults['pool']>(
      (op) => binding.poolSetPolicy(engine, op, pool, overcommitPercent, reservePercent),
      poolFailure('set the policy of', pool),
    );
  }

  async startScrub(pool: string, bytesPerSecond: bigint): Promise<void> {
    checkName(pool, 'pool');
    checkU64(bytesPerSecond, 'bytesPerSecond');
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.poolStartScrub(engine, op, pool, bytesPerSecond),
      poolFailure('scrub', pool),
    );
  }

  async stopScrub(pool: string): Promise<void> {
    checkName(pool, 'pool');
    const engine = this.useEngine();
    await operate<void>((op) => binding.poolStopScrub(engine, op, pool), poolFailure('scrub', pool));
  }

  async checkPool(paths: readonly string[], options: PoolCheckOptions = {}): Promise<PoolCheckReport> {
    checkPoolPaths(paths);
    const { repair, discardDamaged } = checkPoolCheck(options);
    const engine = this.useEngine();
    return operate<NativeResults['poolCheck']>(
      (op) => binding.poolCheck(engine, op, paths, repair, discardDamaged),
      poolFailure('check a pool', '', paths),
    );
  }

  poolCheckProgress(): PoolCheckProgress {
    const [read = 0n, total = 0n] = binding.poolCheckProgress(this.useEngine()) ?? [];
    return { doneBytes: read * treePageBytes, totalBytes: total * treePageBytes };
  }

  async poolAllocations(pool: string, volume?: string): Promise<ReadonlyMap<string, bigint>> {
    checkName(pool, 'pool');
    if (volume !== undefined) checkName(volume, 'volume');
    const engine = this.useEngine();
    const allocations = await operate<NativeResults['poolAllocations']>(
      (op) => binding.poolAllocations(engine, op, pool, volume ?? ''),
      volume === undefined
        ? poolFailure('list the volumes of', pool)
        : poolVolumeFailure('look at', pool, volume),
    );
    return new Map(allocations);
  }

  async poolVolumes(pool: string): Promise<readonly PoolVolumeInfo[]> {
    checkName(pool, 'pool');
    const engine = this.useEngine();
    return operate<NativeResults['poolVolumes']>(
      (op) => binding.poolVolumes(engine, op, pool),
      poolFailure('list the volumes of', pool),
    );
  }

  async createPoolVolume(pool: string, options: PoolVolumeOptions): Promise<PoolVolumeInfo> {
    checkName(pool, 'pool');
    const native = checkPoolVolume(options, false);
    const engine = this.useEngine();
    return operate<NativeResults['poolVolume']>(
      (op) => binding.poolCreateVolume(engine, op, pool, native),
      poolVolumeFailure('create', native.name),
    );
  }

  async clonePoolVolume(
    pool: string,
    source: { readonly volume: string; readonly snapshot: string },
    options: PoolVolumeOptions,
  ): Promise<PoolVolumeInfo> {
    checkName(pool, 'pool');
    const volume = checkName(source.volume, 'volume');
    const snapshot = checkName(source.snapshot, 'snapshot');
    const native = checkPoolVolume(options, true);
    const engine = this.useEngine();
    return operate<NativeResults['poolVolume']>(
      (op) => binding.poolCloneVolume(engine, op, pool, volume, snapshot, native),
      poolVolumeFailure('clone', native.name),
    );
  }

  async resizePoolVolume(pool: string, volume: string, sizeBytes: bigint): Promise<PoolVolumeInfo> {
    checkName(pool, 'pool');
    checkName(volume, 'volume');
    checkVolumeSize(sizeBytes);
    const engine = this.useEngine();
    const resized = await operate<NativeResults['poolVolume']>(
      (op) => binding.poolResizeVolume(engine, op, pool, volume, sizeBytes),
      poolVolumeFailure('resize', volume),
    );
    this.volumeResized(volume, resized.sizeBytes);
    return resized;
  }

  async renamePoolVolume(pool: string, volume: string, name: string): Promise<PoolVolumeInfo> {
    checkName(pool, 'pool');
    checkName(volume, 'volume');
    checkName(name, 'name');
    const engine = this.useEngine();
    return operate<NativeResults['poolVolume']>(
      (op) => binding.poolRenameVolume(engine, op, pool, volume, name),
      poolVolumeFailure('rename', volume),
    );
  }

  async revertPoolVolume(pool: string, volume: string, snapshot: string): Promise<PoolVolumeInfo> {
    checkName(pool, 'pool');
    checkName(volume, 'volume');
    checkName(snapshot, 'snapshot');
    const engine = this.useEngine();
    return operate<NativeResults['poolVolume']>(
      (op) => binding.poolRevertVolume(engine, op, pool, volume, snapshot, now()),
      poolVolumeFailure('revert', volume),
    );
  }

  async deletePoolVolume(
    pool: string,
    volume: string,
    { erase }: { readonly erase?: boolean } = {},
  ): Promise<void> {
    checkName(pool, 'pool');
    checkName(volume, 'volume');
    const erases = checkBoolean(erase, 'erase');
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.poolDeleteVolume(engine, op, pool, volume, erases),
      poolVolumeFailure('delete', volume),
    );
  }

  async setPoolVolumeKey(pool: string, volume: string, wrappedKey: Uint8Array): Promise<void> {
    checkName(pool, 'pool');
    checkName(volume, 'volume');
    checkWrappedKey(wrappedKey);
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.poolSetVolumeKey(engine, op, pool, volume, wrappedKey),
      poolVolumeFailure('set the key of', volume),
    );
  }

  async poolSnapshots(pool: string, volume: string): Promise<readonly PoolSnapshotInfo[]> {
    checkName(pool, 'pool');
    checkName(volume, 'volume');
    const engine = this.useEngine();
    return operate<NativeResults['poolSnapshots']>(
      (op) => binding.poolSnapshots(engine, op, pool, volume),
      poolVolumeFailure('list the snapshots of', volume),
    );
  }

  async createPoolSnapshots(
    pool: string,
    snapshots: readonly PoolSnapshotOptions[],
  ): Promise<readonly PoolSnapshotInfo[]> {
    checkName(pool, 'pool');
    const native = checkPoolSnapshots(snapshots);
    const engine = this.useEngine();
    const [first] = native;
    return operate<NativeResults['poolSnapshots']>(
      (op) => binding.poolCreateSnapshots(engine, op, pool, native, now()),
      poolVolumeFailure('snapshot', first?.volume ?? '', first?.name ?? ''),
    );
  }

  async deletePoolSnapshot(pool: string, volume: string, snapshot: string): Promise<void> {
    checkName(pool, 'pool');
    checkName(volume, 'volume');
    checkName(snapshot, 'snapshot');
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.poolDeleteSnapshot(engine, op, pool, volume, snapshot),
      poolVolumeFailure('delete a snapshot of', volume),
    );
  }

  async poolRanges(options: PoolRangesOptions): Promise<PoolRanges> {
    const native = checkPoolRanges(options);
    const pool = checkName(options.pool, 'pool');
    const engine = this.useEngine();
    return operate<NativeResults['poolRanges']>(
      (op) => binding.poolRanges(engine, op, pool, native),
      poolVolumeFailure('list the extents of', native.volume),
    );
  }
}
