// What a head without data does with snapshots: takes one of all members in sync, deletes one where they can
// be reached, carries one from a member to another. Begun when it is asked for, and done some ticks later, or
// not: a head that ends in between leaves what a real one does. As docs/replication.md, "A snapshot".
import { sizeOf } from '../../../src/agent/head-size.js';
import { MirrorConflictError } from '../../../src/base/mirror-errors.js';
import { realMembers } from '../../../src/mirrors/record.js';
import { baseSnapshotName } from '../../../src/mirrors/snapshot-records.js';
import type {
  HeadState,
  MirrorCarry,
  MirrorRecord,
  MirrorSnapshot,
  MirrorSnapshotRemoval,
} from '../../../src/native/mirror-types.js';
import type { Random } from '../../support/random.js';
import type { SimReplica } from './sim-engine.js';

export interface SimHeadSnapshotsOptions {
  readonly random: Random;
  readonly state: () => HeadState;
  readonly record: () => MirrorRecord;
  /** The replica, sealed by this head; undefined: it is away. */
  readonly use: (uuid: string) => SimReplica | undefined;
}

export class SimHeadSnapshots {
  readonly #options: SimHeadSnapshotsOptions;
  #name = '';
  #snapshot: MirrorSnapshot | undefined;
  #removal: MirrorSnapshotRemoval | undefined;
  #carry: MirrorCarry | undefined;

  constructor(options: SimHeadSnapshotsOptions) {
    this.#options = options;
  }

  get info() {
    return {
      ...(this.#snapshot !== undefined && { snapshot: this.#snapshot }),
      ...(this.#removal !== undefined && { snapshotRemoval: this.#removal }),
      ...(this.#carry !== undefined && { carry: this.#carry }),
    };
  }

  take(uuid: string, name: string): void {
    this.#serves();
    const { state = 'done', uuid: known } = this.#snapshot ?? {};
    if (known === uuid && state !== 'failed') return;
    if (state !== 'done' && state !== 'failed') throw conflict('another one is being taken');
    this.#name = name;
    this.#snapshot = { uuid, state: 'waiting', sizeBytes: 0n, heldMs: 0, members: [] };
  }

  remove(uuid: string): void {
    this.#serves();
    if (this.#removal?.running === true) throw conflict('another one is being deleted');
    this.#removal = { uuid, running: true, members: [] };
  }

  carry(snapshot: string, from: string, to: string): void {
    this.#serves();
    if (this.#carry?.state === 'running') throw conflict('another one is being carried');
    const inSync = realMembers(this.#options.record()).filter((one) => one.inSync);
    for (const uuid of [from, to]) {
      if (inSync.every((one) => one.uuid !== uuid)) throw conflict(`${uuid} is not in sync`);
    }
    const bytes = { doneBytes: 0n, totalBytes: 4096n, movedBytes: 0n };
    this.#carry = { snapshot, from, to, state: 'running', ...bytes };
  }

  list(uuid: string): readonly string[] {
    this.#serves();
    const member = realMembers(this.#options.record()).find((one) => one.uuid === uuid);
    const replica = this.#options.use(uuid);
    if (member?.inSync !== true || replica === undefined) throw conflict(`${uuid} is not in sync`);
    return [...replica.snapshots.keys()];
  }

  cancelCarry(): void {
    if (this.#carry?.state === 'running') this.#carry = { ...this.#carry, state: 'cancelled' };
  }

  /** While it serves; `inSync`: those that can be reached. */
  tick(inSync: readonly SimReplica[]): void {
    const { random } = this.#options;
    if (this.#snapshot?.state === 'waiting' && random.below(3) > 0) this.#take(this.#snapshot, inSync);
    if (this.#removal?.running === true && random.below(3) > 0) this.#remove(this.#removal);
    if (this.#carry?.state === 'running' && random.below(4) === 0) this.#carried(this.#carry);
  }

  /** One of all, or some have something of it and there is none. */
  #take(snapshot: MirrorSnapshot, inSync: readonly SimReplica[]): void {
    const count = realMembers(this.#options.record()).filter((one) => one.inSync).length;
    const written = Math.max(0, ...inSync.map((one) => one.written));
    const taken: string[] = [];
    for (const { uuid, snapshots } of inSync) {
      const isThere =
        snapshots.has(snapshot.uuid) || [...snapshots.values()].some((one) => one.name === this.#name);
      if (isThere || this.#options.random.below(25) === 0) {
        this.#snapshot = { ...snapshot, state: 'failed', trouble: `member ${uuid} took none` };
        return;
      }
      snapshots.set(snapshot.uuid, { name: this.#name, written });
      taken.push(uuid);
    }
    // Who cannot be reached leaves first.
    if (inSync.length < count) {
      this.#snapshot = { ...snapshot, state: 'failed', trouble: 'a member did not answer' };
      return;
    }
    const sizeBytes = sizeOf(this.#options.record());
    this.#snapshot = { ...snapshot, state: 'done', sizeBytes, members: taken };
  }

  #remove({ uuid }: MirrorSnapshotRemoval): void {
    const members = realMembers(this.#options.record()).flatMap((member) => {
      const replica = this.#options.use(member.uuid);
      if (this.#options.state() !== 'serving' || replica === undefined) return [];
      replica.snapshots.delete(uuid);
      return member.uuid;
    });
    this.#removal = { uuid, running: false, members };
  }

  #carried(carry: MirrorCarry): void {
    const [from, to] = [this.#options.use(carry.from), this.#options.use(carry.to)];
    if (this.#options.state() !== 'serving') return;
    const snapshot = from?.snapshots.get(carry.snapshot);
    const isNamed = [...(to?.snapshots ?? [])].some(
      ([uuid, { name }]) => uuid !== carry.snapshot && name === snapshot?.name,
    );
    if (to === undefined || snapshot === undefined || isNamed || this.#options.random.below(8) === 0) {
      this.#carry = { ...carry, state: 'failed', trouble: `it cannot be received by ${carry.to}` };
      return;
    }
    // What the origin of a clone has shows through where the snapshot reads zeroes.
    const hasBase = [...(from?.snapshots.values() ?? [])].some(({ name }) => name === baseSnapshotName);
    const isWrong = to.isClone && !hasBase;
    to.snapshots.set(carry.snapshot, isWrong ? { ...snapshot, written: -1 } : snapshot);
    this.#carry = { ...carry, state: 'done', doneBytes: carry.totalBytes };
  }

  #serves(): void {
    if (this.#options.state() !== 'serving') throw conflict('its head does not serve');
  }
}

function conflict(reason: string): MirrorConflictError {
  return new MirrorConflictError('of the simulation', reason);
}
