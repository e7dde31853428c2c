// The engine's members for replicas and mirrored volumes: arguments are checked, the addon is called,
// failures become errors. `Engine` is made of it.
import { setImmediate } from 'node:timers/promises';
import { binding, type NativeResults } from './binding.js';
import { checkFunction, checkObject, checkText, checkU64 } from './checks.js';
import { EnginePools } from './engine-pools.js';
import {
  carryFailure,
  engineFailure,
  growFailure,
  headFailure,
  memberFailure,
  mirrorFailure,
  replicaFailure,
  resyncRateFailure,
  snapshotFailure,
  verifyFailure,
} from './failures.js';
import {
  checkMirrorMember,
  checkMirrorOptions,
  checkReplicaOptions,
  checkReplicaUuid,
  checkStoreAnswer,
} from './mirror-arguments.js';
import type {
  MirrorEngine,
  MirrorInfo,
  MirrorListeners,
  MirrorMemberOptions,
  MirrorOptions,
  ReplicaInfo,
  ReplicaOptions,
  StoreAnswer,
} from './mirror-types.js';
import { listenToMirrors, operate } from './operations.js';

export abstract class EngineMirrors extends EnginePools implements MirrorEngine {
  /** Those that are to begin with the next turn of the event loop. */
  #demoting: { readonly volumes: string[]; readonly begun: Promise<void> } | undefined;

  async addReplica(options: ReplicaOptions): Promise<ReplicaInfo> {
    const native = checkReplicaOptions(options);
    const engine = this.useEngine();
    return operate<NativeResults['replica']>(
      (op) => binding.replicaAdd(engine, op, native),
      replicaFailure(native.name),
    );
  }

  /** Its head is told nothing: it finds that the replica is not there. */
  async removeReplica(name: string): Promise<void> {
    checkText(name, 'name', 255);
    const engine = this.useEngine();
    await operate<void>((op) => binding.replicaRemove(engine, op, name), replicaFailure(name));
  }

  async replicaInfo(name: string): Promise<ReplicaInfo> {
    checkText(name, 'name', 255);
    const engine = this.useEngine();
    return operate<NativeResults['replica']>(
      (op) => binding.replicaInfo(engine, op, name),
      replicaFailure(name),
    );
  }

  async mirrorInfo(volume: string): Promise<MirrorInfo> {
    checkText(volume, 'volume', 255);
    const engine = this.useEngine();
    return operate<NativeResults['mirror']>(
      (op) => binding.mirrorInfo(engine, op, volume),
      mirrorFailure(volume),
    );
  }

  async addMirrorMember(volume: string, member: MirrorMemberOptions): Promise<void> {
    checkText(volume, 'volume', 255);
    const native = checkMirrorMember(member);
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.mirrorAddMember(engine, op, volume, native),
      memberFailure(volume, native.uuid),
    );
  }

  async removeMirrorMember(volume: string, uuid: string): Promise<void> {
    checkText(volume, 'volume', 255);
    const replica = checkReplicaUuid(uuid);
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.mirrorRemoveMember(engine, op, volume, replica),
      memberFailure(volume, replica),
    );
  }

  async growMirror(volume: string, sizeBytes: bigint): Promise<void> {
    checkText(volume, 'volume', 255);
    checkU64(sizeBytes, 'sizeBytes');
    const engine = this.useEngine();
    await operate<void>((op) => binding.mirrorGrow(engine, op, volume, sizeBytes), growFailure(volume));
  }

  async resizeMirror(volume: string): Promise<bigint> {
    checkText(volume, 'volume', 255);
    const engine = this.useEngine();
    const sizeBytes = await operate<NativeResults['sizeBytes']>(
      (op) => binding.mirrorResize(engine, op, volume),
      mirrorFailure(volume),
    );
    this.volumeResized(volume, sizeBytes);
    return sizeBytes;
  }

  async snapshotMirror(volume: string, uuid: string, name: string, createdAt: number): Promise<void> {
    checkText(volume, 'volume', 255);
    checkText(name, 'name', 64);
    const snapshot = checkReplicaUuid(uuid);
    const seconds = BigInt(createdAt);
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.mirrorSnapshot(engine, op, volume, snapshot, name, seconds),
      snapshotFailure(volume),
    );
  }

  async deleteMirrorSnapshot(volume: string, uuid: string): Promise<void> {
    checkText(volume, 'volume', 255);
    const snapshot = checkReplicaUuid(uuid);
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.mirrorDeleteSnapshot(engine, op, volume, snapshot),
      snapshotFailure(volume),
    );
  }

  async carryMirrorSnapshot(
    volume: string,
    uuid: string,
    from: string,
    to: string,
    bases: readonly string[],
  ): Promise<void> {
    checkText(volume, 'volume', 255);
    const snapshot = checkReplicaUuid(uuid);
    const below = bases.map((base) => checkReplicaUuid(base));
    const [source, target] = [checkReplicaUuid(from), checkReplicaUuid(to)];
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.mirrorCarrySnapshot(engine, op, volume, snapshot, source, target, below),
      carryFailure(volume),
    );
  }

  async memberSnapshots(volume: string, replica: string): Promise<readonly string[] | undefined> {
    checkText(volume, 'volume', 255);
    const member = checkReplicaUuid(replica);
    const engine = this.useEngine();
    return operate<NativeResults['snapshotUuids']>(
      (op) => binding.mirrorMemberSnapshots(engine, op, volume, member),
      carryFailure(volume),
    );
  }

  async cancelMirrorCarry(volume: string): Promise<void> {
    checkText(volume, 'volume', 255);
    const engine = this.useEngine();
    await operate<void>((op) => binding.mirrorCancelCarry(engine, op, volume), carryFailure(volume));
  }

  async startMirrorVerify(volume: string): Promise<void> {
    checkText(volume, 'volume', 255);
    const engine = this.useEngine();
    await operate<void>((op) => binding.mirrorStartVerify(engine, op, volume), verifyFailure(volume));
  }

  async cancelMirrorVerify(volume: string): Promise<void> {
    checkText(volume, 'volume', 255);
    const engine = this.useEngine();
    await operate<void>((op) => binding.mirrorCancelVerify(engine, op, volume), verifyFailure(volume));
  }

  async setMirrorResyncRate(volume: string, bytesPerSecond: bigint): Promise<void> {
    checkText(volume, 'volume', 255);
    checkU64(bytesPerSecond, 'bytesPerSecond');
    const engine = this.useEngine();
    await operate<void>(
      (op) => binding.mirrorSetResyncRate(engine, op, volume, bytesPerSecond),
      resyncRateFailure(volume),
    );
  }

  async promoteMirror(volume: string, mirror: MirrorOptions): Promise<void> {
    checkText(volume, 'volume', 255);
    const native = { ...checkMirrorOptions(mirror), isHead: true };
    const engine = this.useEngine();
    await operate<void>((op) => binding.mirrorPromote(engine, op, volume, native), headFailure(volume));
    // It may have grown while its head was elsewhere.
    this.volumeResized(volume, native.record.blocksCount * BigInt(native.record.blockSizeBytes));
  }

  async demoteMirror(volume: string): Promise<void> {
    checkText(volume, 'volume', 255);
    await this.#beginDemotion(volume);
    const engine = this.useEngine();
    await operate<void>((op) => binding.mirrorDemote(engine, op, volume), mirrorFailure(volume));
  }

  /**
   * Those of one turn of the event loop begin together: each ends with a commit of the store, and one after
   * the other they would take as long as all of these.
   */
  #beginDemotion(volume: string): Promise<void> {
    this.#demoting ??= { volumes: [], begun: this.#beginDemotions() };
    this.#demoting.volumes.push(volume);
    return this.#demoting.begun;
  }

  async #beginDemotions(): Promise<void> {
    await setImmediate();
    const { volumes = [] } = this.#demoting ?? {};
    this.#demoting = undefined;
    const engine = this.useEngine();
    await operate<void>((op) => binding.mirrorBeginDemotions(engine, op, volumes), engineFailure('demote'));
  }

  listenToMirrors(listeners: MirrorListeners): void {
    checkObject(listeners, 'listeners');
    const { onStoreRequest, onHeadState, onSeal, onHostLost } = listeners;
    checkFunction(onStoreRequest, 'listeners.onStoreRequest');
    if (onHeadState !== undefined) checkFunction(onHeadState, 'listeners.onHeadState');
    if (onSeal !== undefined) checkFunction(onSeal, 'listeners.onSeal');
    if (onHostLost !== undefined) checkFunction(onHostLost, 'listeners.onHostLost');
    listenToMirrors(this.useEngine(), listeners);
  }

  /** Also while the engine closes: what it closes waits for this. */
  answerStore(volume: string, answer: StoreAnswer): void {
    checkText(volume, 'volume', 255);
    const checked = checkStoreAnswer(answer);
    const current = checked.kind === 'unavailable' ? undefined : checked.current;
    binding.mirrorAnswerStore(this.nativeId, volume, checked.kind, current);
  }

  /** The engine's number in the addon, also while it closes. */
  protected abstract readonly nativeId: number;
}
