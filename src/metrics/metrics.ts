// All metrics of a daemon as text, made when somebody asks. One for each daemon, made in src/main.
import { setImmediate } from 'node:timers/promises';
import { inSlices } from '../base/sliced-text.js';
import type { StatsByVolume } from '../native/types.js';
import { renderFamilies } from './exposition.js';
import { NodeMetrics } from './node-metrics.js';
import { processRegistry } from './process-metrics.js';
import type { MeasuredVolume, MetricsSource } from './sources.js';
import { type VolumeSample, volumeFamilies, volumeSample } from './volume-families.js';

export interface MetricsOptions {
  readonly source: MetricsSource;
  /** The value of the label `node`. */
  readonly node: string;
  readonly version: string;
}

export class Metrics {
  readonly #source: MetricsSource;
  readonly #node: string;
  readonly #registry;
  readonly #nodeMetrics: NodeMetrics;

  constructor({ source, node, version }: MetricsOptions) {
    this.#source = source;
    this.#node = node;
    this.#registry = processRegistry('daemon', version);
    this.#nodeMetrics = new NodeMetrics(this.#registry);
  }

  /** Everything of one moment; in parts, for there may be ten thousand volumes. */
  async *text(): AsyncGenerator<string> {
    const [pools, mirrors, allocated] = await Promise.all([
      this.#source.pools(),
      this.#source.mirrors(),
      this.#source.allocations(),
    ]);
    const volumes = this.#source.volumes();
    // With ten thousand volumes each of the two takes milliseconds. One that is renamed or deleted in between
    // is told without counters, once.
    await setImmediate();
    const stats = this.#source.stats();
    const budgetIops = this.#source.qosBudgetIops();
    this.#nodeMetrics.fill({ node: this.#node, stats, pools, mirrors, budgetIops });
    yield await this.#registry.metrics();
    yield* inSlices(this.#volumeText(volumes, stats, allocated));
  }

  *#volumeText(
    volumes: readonly MeasuredVolume[],
    stats: StatsByVolume,
    allocated: ReadonlyMap<string, bigint>,
  ): Generator<string> {
    const samples: VolumeSample[] = [];
    for (const volume of volumes) {
      samples.push(volumeSample(volume, stats.volume(volume.name), this.#node, allocated.get(volume.uuid)));
      yield '';
    }
    yield* renderFamilies(volumeFamilies, samples);
  }
}
