// All volumes of the cluster that this node has a part in: what is wanted is compared with what is here, and
// what differs is made so, a few volumes at a time; the events of the engine and the records of the store are
// brought to the volume that they are of. One for each agent; called by whoever reads the cluster's records.
import type { Log } from '../base/log.js';
import { decodeMirror } from '../mirrors/record.js';
import { mirrorsPrefix } from '../mirrors/records.js';
import type { HeadState } from '../native/mirror-types.js';
import type { Store, Versioned } from '../store/types.js';
import { NodeVolume, type NodeVolumeOptions } from './node-volume.js';
import { RecordWatch } from './record-watch.js';
import type { VolumeFacts, WantedVolume } from './types.js';

export interface NodeVolumesOptions extends NodeVolumeOptions {
  readonly store: Pick<Store, 'list' | 'watch'>;
}

/** Volumes that are worked on at a time: each waits for the engine and for its pool, not for the others. */
const atOnceMax = 16;
/** After which what could not be made so is tried again. */
export const retryMs = 1_000;

export class NodeVolumes {
  readonly #options: NodeVolumesOptions;
  readonly #volumes = new Map<string, NodeVolume>();
  readonly #watch: RecordWatch;
  #wanted: readonly WantedVolume[] = [];
  #working: Promise<void> | undefined;
  #again = false;
  #forgetRetry = () => {};
  #closed = false;

  constructor(options: NodeVolumesOptions) {
    this.#options = options;
    const { store, clock, log } = options;
    this.#watch = new RecordWatch({
      store,
      clock,
      log,
      prefix: mirrorsPrefix,
      onPut: (put) => this.#onRecord(put),
    });
  }

  /** Before the first replica is there. */
  start(): void {
    this.#watch.start();
  }

  /** All that is to be here from now on; what is not in it is removed. Resolves when it was tried. */
  async apply(wanted: readonly WantedVolume[]): Promise<void> {
    this.#wanted = wanted;
    this.#again = true;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
    await this.#working;
  }

  facts(): readonly VolumeFacts[] {
    return [...this.#volumes.values()].map(({ facts }) => facts);
  }

  /** From the engine. */
  onHeadState(volume: string, state: HeadState): void {
    this.#volumes.get(volume)?.setHeadState(state);
  }

  /** From the engine. */
  onSeal(replica: string, sealed: boolean): void {
    // A few thousand at most, and heads come and go seldom.
    for (const volume of this.#volumes.values()) {
      if (volume.replica === replica) volume.setUsed(sealed);
    }
  }

  /** Decides nothing any more; what is served stays so until the engine closes. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#forgetRetry();
    await this.#watch.close();
    await this.#working;
    await Promise.all([...this.#volumes.values()].map((volume) => volume.close()));
  }

  async #work(): Promise<void> {
    this.#forgetRetry();
    let allDone = true;
    while (this.#again && !this.#closed) {
      this.#again = false;
      allDone = await this.#reconcile(this.#wanted);
    }
    if (allDone || this.#closed) return;
    this.#forgetRetry = this.#options.clock.after(retryMs, () => void this.apply(this.#wanted));
  }

  async #reconcile(wanted: readonly WantedVolume[]): Promise<boolean> {
    const names = new Set(wanted.map(({ name }) => name));
    const gone = [...this.#volumes].filter(([name]) => !names.has(name));
    const tasks = [
      ...gone.map(
        ([name, volume]) =>
          () =>
            this.#remove(name, volume),
      ),
      ...wanted.map((one) => () => this.#volume(one).ensure(one)),
    ];
    let allDone = true;
    const worker = async (): Promise<void> => {
      for (let task = tasks.shift(); task !== undefined && !this.#closed; task = tasks.shift()) {
        allDone = (await task()) && allDone;
      }
    };
    await Promise.all(Array.from({ length: atOnceMax }, worker));
    return allDone;
  }

  #volume(wanted: WantedVolume): NodeVolume {
    const known = this.#volumes.get(wanted.name);
    if (known !== undefined) return known;
    const made = new NodeVolume(this.#options, wanted);
    this.#volumes.set(wanted.name, made);
    return made;
  }

  async #remove(name: string, volume: NodeVolume): Promise<boolean> {
    try {
      await volume.remove();
      this.#volumes.delete(name);
      return true;
    } catch (err) {
      this.#warn(name, 'cannot be taken away from this node; tried again', err);
      return false;
    }
  }

  #onRecord({ key, value, revision }: Versioned): void {
    const name = key.slice(mirrorsPrefix.length);
    const volume = this.#volumes.get(name);
    if (volume === undefined) return;
    try {
      volume.setRecord(decodeMirror(name, value, revision).record);
    } catch (err) {
      this.#warn(name, 'its record cannot be read', err);
    }
  }

  #warn(volume: string, what: string, err: unknown): void {
    const log: Log = this.#options.log;
    log.warn({ room: 'agent', volume, err }, `volume '${volume}': ${what}`);
  }
}
