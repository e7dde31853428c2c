// Looks at a volume all the time, and takes down what changes: who is head, who is in sync, how much is
// copied. A control plane that does not answer is taken down like everything else.
import { setTimeout as sleep } from 'node:timers/promises';
import { DomainError } from '../../base/errors.js';
import type { Timeline } from '../report/timeline.js';
import { type ClusterApi, type ClusterVolume, describeVolume } from './api.js';

const intervalMs = 100;

export class VolumeWatch {
  readonly #api: Pick<ClusterApi, 'volume'>;
  readonly #name: string;
  readonly #timeline: Timeline;
  readonly #copied = new Map<string, number>();
  readonly #running: Promise<void>;
  #last = '';
  #resyncedBytes: number | undefined;
  #isOver = false;

  constructor(api: Pick<ClusterApi, 'volume'>, name: string, timeline: Timeline) {
    this.#api = api;
    this.#name = name;
    this.#timeline = timeline;
    this.#running = this.#run();
  }

  /**
   * Copied to replicas that came back, as far as was seen: a short copy may fit between two looks. Undefined:
   * no copy was seen.
   */
  get resyncedBytes(): number | undefined {
    return this.#resyncedBytes;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.#look();
      await sleep(intervalMs);
    }
  }

  async #look(): Promise<void> {
    try {
      const volume = await this.#api.volume(this.#name);
      this.#count(volume);
      this.#note(describeVolume(volume));
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.#note('the control plane does not answer');
    }
  }

  #note(text: string): void {
    if (text !== this.#last) this.#timeline.add('state', text);
    this.#last = text;
  }

  #count({ replicas }: ClusterVolume): void {
    for (const { uuid, inSync, resync } of replicas) {
      if (inSync || resync === undefined) {
        this.#copied.delete(uuid);
        continue;
      }
      // Less than before: another copy has begun.
      const before = this.#copied.get(uuid) ?? 0;
      const doneBytes = Number(resync.doneBytes);
      const more = doneBytes < before ? doneBytes : doneBytes - before;
      this.#resyncedBytes = (this.#resyncedBytes ?? 0) + more;
      this.#copied.set(uuid, doneBytes);
    }
  }
}
