// Which pods use a volume, as nodes tell: for reports and metrics, nothing is decided by it. Kept with the
// volume's settings, so that it is known after a restart too.
import { InvalidArgumentError } from '../base/errors.js';
import type { PodUse } from './volume-settings.js';
import { type VolumeParts, withVolumes } from './volumes.js';

/** Of one volume: a few share it at most; what a node forgot to take back must not grow without end. */
export const podsMax = 256;

export class Pods {
  readonly #parts: VolumeParts;

  constructor(parts: VolumeParts) {
    this.#parts = parts;
  }

  /** Again is nothing; a pod that is known by its UID is described anew. */
  put(name: string, pod: PodUse): Promise<void> {
    return withVolumes(this.#parts, [name], async ([volume]) => {
      const { pods = [] } = volume.settings;
      const known = pods.find(({ uid }) => uid === pod.uid);
      if (known !== undefined && same(known, pod)) return;
      const others = pods.filter(({ uid }) => uid !== pod.uid);
      if (others.length >= podsMax) {
        throw new InvalidArgumentError('podUid', `one of at most ${podsMax} pods of a volume`);
      }
      await this.#parts.settings.change(volume, { pods: [...others, pod] });
    });
  }

  /** Of one that is not known: nothing. */
  remove(name: string, uid: string): Promise<void> {
    return withVolumes(this.#parts, [name], async ([volume]) => {
      const { pods = [] } = volume.settings;
      const left = pods.filter((pod) => pod.uid !== uid);
      if (left.length === pods.length) return;
      await this.#parts.settings.change(volume, { pods: left.length === 0 ? undefined : left });
    });
  }
}

function same(a: PodUse, b: PodUse): boolean {
  return a.node === b.node && a.namespace === b.namespace && a.name === b.name && a.claim === b.claim;
}
