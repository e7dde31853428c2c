// Limits and guarantees of volumes: what each may use, classes that several share, and the node's budget that
// guarantees are admitted against. Called by the REST API, and by Serving for what a volume has. A change is
// checked, kept in the store, then given to the engine, which has it in force when it answers.
import { InvalidArgumentError } from '../base/errors.js';
import type { KeyedLock } from '../base/keyed-lock.js';
import type { Log } from '../base/log.js';
import { checkQos, engineLimits, type QosWords, qosClassPattern } from '../base/qos.js';
import { QosClassInUseError, QosClassNotFoundError, QosOvercommittedError } from '../base/qos-errors.js';
import type { QosLimits } from '../native/types.js';
import type { Store } from '../store/types.js';
import { budgetKey, classesPrefix, qosPrefix } from './qos-keys.js';
import type { Registry, VolumeEntry } from './registry.js';
import { textOf } from './serving.js';
import type { Forceable, PoolsEngine } from './types.js';
import type { VolumeSettingsStore } from './volume-settings.js';

export interface QosBudget {
  readonly iops: number;
  readonly depth?: number;
}
export type ClassWords = Omit<QosWords, 'class'>;
export interface QosClass {
  readonly name: string;
  readonly builtIn: boolean;
  readonly qos: ClassWords;
}
export interface QosBudgetView extends QosBudget {
  readonly guaranteedIops: number;
}

/** Weights alone: rates depend on the devices, and are for the operator to choose. */
const builtIn: Readonly<Record<string, ClassWords>> = {
  'best-effort': { weight: 10 },
  medium: { weight: 100 },
  high: { weight: 400 },
};
const classesMax = 256;

export interface QosParts {
  readonly engine: PoolsEngine;
  readonly store: Store;
  readonly registry: Registry;
  readonly settings: VolumeSettingsStore;
  readonly locks: KeyedLock;
  readonly log: Log;
  /** Guaranteed to volumes of the command line, together. */
  readonly othersMinIops: number;
}

const lock = 'qos';

export class Qos {
  readonly #parts: QosParts;
  readonly #classes = new Map<string, ClassWords>(Object.entries(builtIn));
  #budget: QosBudget = { iops: 0 };

  constructor(parts: QosParts) {
    this.#parts = parts;
  }

  /** Before volumes are served. What cannot be read is told of, and keeps nothing from service. */
  async load(): Promise<void> {
    const { entries } = await this.#parts.store.list(qosPrefix);
    for (const { key, value } of entries) {
      try {
        const { version, ...rest } = JSON.parse(Buffer.from(value).toString('utf8'));
        if (version !== 1) throw new InvalidArgumentError(key, 'version 1');
        if (key === budgetKey) this.#budget = rest;
        else {
          checkQos(rest);
          this.#classes.set(key.slice(classesPrefix.length), rest);
        }
      } catch (error) {
        this.#parts.log.error({ room: 'pools', err: error }, `${key} is damaged: ${textOf(error)}`);
      }
    }
  }

  /** After volumes are served: a budget that became too small must not keep a volume from being. */
  async start(): Promise<void> {
    const { othersMinIops } = this.#parts;
    if (othersMinIops > 0) this.#admit(this.#guaranteed(), 0);
    if (this.#budget.iops > 0) await this.#parts.engine.setQosBudget(this.#budget);
  }

  /** What holds for a volume: its own values, then its class's. */
  resolve(words: QosWords | undefined): QosWords {
    if (words?.class === undefined) return words ?? {};
    const { class: name, ...own } = words;
    const found = this.#classes.get(name);
    if (found === undefined) throw new QosClassNotFoundError(name);
    return { ...found, ...own };
  }

  /** For who only looks: a class that is not known any more says nothing. */
  heldBy(words: QosWords | undefined): QosWords | undefined {
    const known = words?.class === undefined || this.#classes.has(words.class);
    return words === undefined || !known ? words : this.resolve(words);
  }

  /** For serving: a class that is not known any more limits nothing, and the log says so. */
  limitsOf({ settings, info }: VolumeEntry): QosLimits {
    try {
      return engineLimits(this.resolve(settings.qos));
    } catch (error) {
      this.#parts.log.error({ room: 'pools', volume: info.name }, textOf(error));
      return engineLimits(settings.qos ?? {});
    }
  }

  /** Before a volume is made. Whoever is admitted holds its part from when it is in the registry. */
  checkNew(words: QosWords | undefined): void {
    const all = this.resolve(words);
    checkQos(all);
    const now = this.#guaranteed();
    this.#admit(now + (all.minIops ?? 0), now);
  }

  /** Under the volume's lock. `null`: nothing holds any more. */
  async set(volume: VolumeEntry, words: QosWords | null): Promise<void> {
    const { settings, locks, engine } = this.#parts;
    await locks.exclusive(lock, async () => {
      const next = this.resolve(words ?? {});
      checkQos(next);
      const now = this.#guaranteed();
      this.#admit(now - this.#minIopsOf(volume) + (next.minIops ?? 0), now);
      const before = volume.settings.qos;
      await settings.change(volume, { qos: words ?? undefined });
      if (volume.state !== 'serving') return;
      try {
        await engine.setQos(volume.info.name, engineLimits(next));
      } catch (error) {
        await settings.change(volume, { qos: before });
        throw error;
      }
    });
  }

  classes(): readonly QosClass[] {
    return [...this.#classes].map(([name, qos]) => ({ name, qos, builtIn: Object.hasOwn(builtIn, name) }));
  }

  /** Makes it or changes it; what changes holds for all its volumes when this answers. */
  async putClass(name: string, qos: ClassWords): Promise<QosClass> {
    const { store, locks, engine } = this.#parts;
    if (!qosClassPattern.test(name)) {
      throw new InvalidArgumentError('class', 'a name of lower-case letters, digits and dashes, at most 63');
    }
    checkQos(qos);
    return locks.exclusive(lock, async () => {
      const before = this.#classes.get(name);
      if (before === undefined && this.#classes.size >= classesMax) {
        throw new InvalidArgumentError('class', `one of the ${classesMax} that there may be`);
      }
      const volumes = this.#volumesOf(name);
      const guaranteed = this.#guaranteed();
      for (const { settings } of volumes) checkQos({ ...qos, ...settings.qos });
      this.#classes.set(name, qos);
      try {
        this.#admit(this.#guaranteed(), guaranteed);
        const value = Buffer.from(JSON.stringify({ version: 1, ...qos }));
        await store.commit([], [{ type: 'put', key: classesPrefix + name, value }]);
      } catch (error) {
        if (before === undefined) this.#classes.delete(name);
        else this.#classes.set(name, before);
        throw error;
      }
      for (const volume of volumes) {
        if (volume.state === 'serving') await engine.setQos(volume.info.name, this.limitsOf(volume));
      }
      return { name, qos, builtIn: Object.hasOwn(builtIn, name) };
    });
  }

  async deleteClass(name: string): Promise<void> {
    const { store, locks } = this.#parts;
    await locks.exclusive(lock, async () => {
      if (!this.#classes.has(name)) throw new QosClassNotFoundError(name);
      if (Object.hasOwn(builtIn, name)) throw new QosClassInUseError(name, 'it is built in');
      const [first, ...more] = this.#volumesOf(name);
      if (first !== undefined) {
        const others = more.length === 0 ? '' : ` and ${more.length} more are`;
        throw new QosClassInUseError(name, `volume '${first.info.name}'${others || ' is'} of it`);
      }
      await store.commit([], [{ type: 'delete', key: classesPrefix + name }]);
      this.#classes.delete(name);
    });
  }

  budget(): QosBudgetView {
    return { ...this.#budget, guaranteedIops: this.#guaranteed() };
  }

  /**
   * `iops` 0: none. Below what is guaranteed it is refused, but by `force`: what is guaranteed stays so, and
   * is not kept until there is enough again.
   */
  async setBudget(budget: QosBudget, { force = false }: Forceable = {}): Promise<QosBudgetView> {
    const { store, locks, engine } = this.#parts;
    checkQos({ iops: budget.iops });
    return locks.exclusive(lock, async () => {
      this.#checkBudget(budget, force);
      const value = Buffer.from(JSON.stringify({ version: 1, ...budget }));
      await store.commit([], [{ type: 'put', key: budgetKey, value }]);
      this.#budget = budget;
      await engine.setQosBudget(budget);
      return this.budget();
    });
  }

  #volumesOf(name: string): VolumeEntry[] {
    return this.#parts.registry.volumes.filter(({ settings }) => settings.qos?.class === name);
  }

  #minIopsOf({ settings: { qos } }: VolumeEntry): number {
    return qos?.minIops ?? (qos?.class === undefined ? 0 : (this.#classes.get(qos.class)?.minIops ?? 0));
  }

  #guaranteed(): number {
    const { registry, othersMinIops } = this.#parts;
    return registry.volumes.reduce((sum, volume) => sum + this.#minIopsOf(volume), othersMinIops);
  }

  #checkBudget({ iops }: QosBudget, force: boolean): void {
    const sum = this.#guaranteed();
    if (sum <= iops) return;
    const { registry, othersMinIops } = this.#parts;
    if (force) {
      if (othersMinIops === 0) return;
      throw new QosOvercommittedError(
        `${othersMinIops} IOPS are guaranteed to volumes of the command line, which would not be served at ` +
          `the next start: ${sum} are guaranteed together`,
      );
    }
    const names = registry.volumes
      .filter((volume) => this.#minIopsOf(volume) > 0)
      .map(({ info }) => `'${info.name}'`);
    if (othersMinIops > 0) names.push('volumes of the command line');
    const [first, ...more] = names;
    const who = more.length === 0 ? first : `${first} and ${more.length} more`;
    throw new QosOvercommittedError(
      `${sum} IOPS are guaranteed (to ${who}), and ${iops === 0 ? 'no budget' : `a budget of ${iops}`} ` +
        "would not keep that: take guarantees back first ('ballast qos show' lists them), or force it",
    );
  }

  /** Less than is guaranteed now, or as much, is always admitted. */
  #admit(sum: number, now: number): void {
    const { iops } = this.#budget;
    if (sum <= now || sum === 0) return;
    if (iops === 0) {
      throw new QosOvercommittedError(
        `${sum} IOPS would be guaranteed and there is no budget to keep them from: measure one with ` +
          "'ballast burnin --set', or set it with 'ballast qos budget set IOPS'",
      );
    }
    if (sum > iops) {
      throw new QosOvercommittedError(
        `${sum} IOPS would be guaranteed on this node, its budget is ${iops}; ${now} are guaranteed now`,
      );
    }
  }
}
