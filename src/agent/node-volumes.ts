// All volumes of the cluster that this node has a part in: what is wanted is compared with what is here, and
// what differs is made so, a few volumes at a time; the events of the engine and the records of the store are
// brought to the volume that they are of. One for each agent; called by whoever reads the cluster's records.
import type { Log } from '../base/log.js';
import type { NodeVolumeFacts } from '../cluster/model/facts.js';
import { decodeMirror } from '../mirrors/record.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import type { HeadState } from '../native/mirror-types.js';
import { RecordWatch } from '../store/record-watch.js';
import type { Store, Versioned } from '../store/types.js';
import { NodeVolume, type NodeVolumeOptions } from './node-volume.js';
import { PoolNames } from './pool-names.js';
import type { WantedVolume } from './types.js';

export interface NodeVolumesOptions extends Omit<NodeVolumeOptions, 'poolNames'> {
  /** What facts() says of a volume may be something else. */
  readonly onFacts: (volume: string) => void;
  /** A head of it serves here, or its mirror record is another one. */
  readonly onHead: (volume: string) => void;
  readonly store: Pick<Store, 'list' | 'watch'>;
}

/** Volumes that are worked on at a time: each waits for the engine and for its pool, not for the others. */
const atOnceMax = 16;
/** After which what could not be made so is tried again. */
export const retryMs = 1_000;

export class NodeVolumes {
  readonly #options: NodeVolumesOptions & NodeVolumeOptions;
  readonly #volumes = new Map<string, NodeVolume>();
  /** The same, by UUID of the replica. */
  readonly #byReplica = new Map<string, NodeVolume>();
  readonly #byNqn = new Map<string, NodeVolume>();
  readonly #watch: RecordWatch;
  /**
   * Mirror records of volumes that are not here, by name: one that comes to be here is not asked for. As
   * the store told them; read then.
   */
  readonly #heard = new Map<string, Versioned>();
  #wanted: Map<string, WantedVolume> = new Map();
  /** Names of volumes that are to be looked at. */
  readonly #due = new Set<string>();
  /** Those that are to be looked at again later. */
  readonly #again = new Set<string>();
  #working: Promise<void> | undefined;
  #forgetRetry: (() => void) | undefined;
  #closed = false;
  #isHeld = false;

  constructor(options: NodeVolumesOptions) {
    this.#options = { ...options, poolNames: new PoolNames(options.engine) };
    const { store, clock, log } = options;
    this.#watch = new RecordWatch({
      ...{ store, clock, log, prefix: mirrorsPrefix },
      onPut: (put) => this.#onRecord(put),
      onDelete: (key) => void this.#heard.delete(nameIn(key)),
    });
  }

  /** Before the first replica is there. */
  start(): void {
    this.#watch.start();
  }

  /** All that is to be here from now on; what is not in it is removed. Resolves when it was tried. */
  async apply(wanted: readonly WantedVolume[]): Promise<void> {
    const before = this.#wanted;
    this.#wanted = new Map(wanted.map((one) => [one.name, one]));
    const names = new Set([...before.keys(), ...this.#volumes.keys(), ...this.#wanted.keys()]);
    // Thousands that are as they were, and one that is not: what is the same object was looked at before.
    const changed = [...names].filter((name) => this.#wanted.get(name) !== before.get(name));
    await this.#look([...changed, ...this.#again]);
  }

  /** The same of some of them, by name; undefined: it is not to be here. */
  async applySome(wanted: ReadonlyMap<string, WantedVolume | undefined>): Promise<void> {
    for (const [name, one] of wanted) {
      if (one === undefined) this.#wanted.delete(name);
      else this.#wanted.set(name, one);
    }
    await this.#look([...wanted.keys()]);
  }

  /** While it is nothing is begun: neither made, nor deleted, nor taken over. What is served stays so. */
  setHeld(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    for (const volume of this.#volumes.values()) volume.setHeld(isHeld);
    if (!isHeld) void this.#look([...this.#again]);
  }

  /** What records said is not known any more: the store is another one, whose revisions may be lower. */
  forgetRecords(): void {
    this.#heard.clear();
    for (const volume of this.#volumes.values()) volume.forgetRecord();
  }

  /** Of those that are here, by name. */
  get(name: string): NodeVolume | undefined {
    return this.#volumes.get(name);
  }

  /** The same, by the NQN under which hosts know it. */
  ofNqn(nqn: string): NodeVolume | undefined {
    return this.#byNqn.get(nqn);
  }

  /** By name; of all volumes, or of those of these names that are here. */
  async facts(names: Iterable<string> = this.#volumes.keys()): Promise<ReadonlyMap<string, NodeVolumeFacts>> {
    const here = [...names].flatMap((name) => this.#volumes.get(name) ?? []);
    const said = here.map(async (volume) => [volume.name, await volume.facts()] as const);
    return new Map(await Promise.all(said));
  }

  /** From the engine. */
  onHeadState(volume: string, state: HeadState): void {
    this.#volumes.get(volume)?.setHeadState(state);
    this.#options.onFacts(volume);
    if (state !== 'serving') return;
    this.#options.onHead(volume);
    void this.#look([volume]); // its members may have to change
  }

  /** The volume is here, and began as a clone. */
  isClone(volume: string): boolean {
    return this.#volumes.get(volume)?.isClone === true;
  }

  /** A head of the volume serves here. */
  isHead(volume: string): boolean {
    return this.#volumes.get(volume)?.isHead === true;
  }

  /** From the engine. */
  onSeal(replica: string, sealed: boolean): void {
    this.#byReplica.get(replica)?.setUsed(sealed);
  }

  /** Decides nothing any more; what is served stays so until the engine closes. */
  async close(): Promise<void> {
    await this.#end();
    await Promise.all([...this.#volumes.values()].map((volume) => volume.close()));
  }

  /** The same, and the heads here end in order. */
  async handOver(): Promise<void> {
    await this.#stopWork();
    // The records say when others have taken over.
    await Promise.all([...this.#volumes.values()].map((volume) => volume.handOver()));
    await this.#watch.close();
  }

  async #end(): Promise<void> {
    await this.#watch.close();
    await this.#stopWork();
  }

  async #stopWork(): Promise<void> {
    this.#closed = true;
    this.#forgetRetry?.();
    await this.#working;
  }

  async #look(names: readonly string[]): Promise<void> {
    for (const name of names) this.#due.add(name);
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
    await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#due.size > 0 && !this.#closed && !this.#isHeld) {
      // Taken together: what becomes due meanwhile comes after, so no two workers are at one volume.
      const names = [...this.#due];
      this.#due.clear();
      const worker = async (): Promise<void> => {
        for (let name = names.pop(); name !== undefined && !this.#closed; name = names.pop()) {
          if (this.#isHeld) {
            this.#due.add(name);
            continue;
          }
          if (await this.#one(name)) this.#again.delete(name);
          else this.#again.add(name);
          this.#options.onFacts(name);
        }
      };
      await Promise.all(Array.from({ length: atOnceMax }, worker));
    }
    if (this.#again.size === 0 || this.#closed || this.#forgetRetry !== undefined) return;
    this.#forgetRetry = this.#options.clock.after(retryMs, () => {
      this.#forgetRetry = undefined;
      void this.#look([...this.#again]);
    });
  }

  /** True: nothing is left to be done about it. */
  async #one(name: string): Promise<boolean> {
    const wanted = this.#wanted.get(name);
    const known = this.#volumes.get(name);
    // Under its name there may be another volume by now, of which another replica is here.
    const isSame = known === undefined || wanted?.replicas.some(({ replica }) => replica === known.replica);
    if (known !== undefined && !isSame && !(await this.#remove(name, known))) return false;
    if (wanted === undefined) return true;
    const volume = this.#volumes.get(name) ?? this.#add(wanted);
    return volume.ensure(wanted);
  }

  #add(wanted: WantedVolume): NodeVolume {
    const { name } = wanted;
    const volume = new NodeVolume(this.#options, wanted);
    if (this.#isHeld) volume.setHeld(true);
    this.#volumes.set(name, volume);
    this.#byReplica.set(volume.replica, volume);
    this.#byNqn.set(volume.nqn, volume);
    const heard = this.#heard.get(name);
    this.#heard.delete(name);
    if (heard !== undefined) this.#setRecord(volume, heard, wanted.uuid);
    return volume;
  }

  async #remove(name: string, volume: NodeVolume): Promise<boolean> {
    try {
      await volume.remove();
      this.#volumes.delete(name);
      this.#byReplica.delete(volume.replica);
      this.#byNqn.delete(volume.nqn);
      return true;
    } catch (err) {
      this.#warn(name, 'cannot be taken away from this node; tried again', err);
      return false;
    }
  }

  #onRecord(put: Versioned): void {
    const name = nameIn(put.key);
    const volume = this.#volumes.get(name);
    if (volume === undefined) {
      this.#heard.set(name, put);
    } else if (this.#setRecord(volume, put)) {
      this.#options.onHead(name);
      if (this.#wanted.has(name)) void this.#look([name]);
    }
  }

  /** False: it cannot be read, or is of a volume of before with the same name, where `uuid` says which. */
  #setRecord(volume: NodeVolume, { value, revision }: Versioned, uuid?: string): boolean {
    const { name } = volume;
    try {
      const { volumeUuid, record } = decodeMirror(name, value, revision);
      if (uuid !== undefined && volumeUuid !== uuid) return false;
      volume.setRecord(record);
      return true;
    } catch (err) {
      this.#warn(name, 'its record cannot be read', err);
      return false;
    }
  }

  #warn(volume: string, what: string, err: unknown): void {
    const log: Log = this.#options.log;
    log.warn({ room: 'agent', volume, err }, `volume '${volume}': ${what}`);
  }
}

/** Of the volume. */
function nameIn(key: string): string {
  return key.slice(mirrorsPrefix.length);
}
