// All metrics of a daemon as text, made when somebody asks. One for each daemon, made in src/main.

import { renderFamilies } from './exposition.js';
import { NodeMetrics } from './node-metrics.js';
import { processRegistry } from './process-metrics.js';
import type { MetricsSource } from './sources.js';
import { volumeFamilies, volumeSample } from './volume-families.js';

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
    const pools = await this.#source.pools();
    const stats = this.#source.stats();
    const byName = new Map(stats.volumes.map((volume) => [volume.name, volume]));
    this.#nodeMetrics.fill({ node: this.#node, stats, pools });
    yield await this.#registry.metrics();
    const samples = this.#source
      .volumes()
      .map((volume) => volumeSample(volume, byName.get(volume.name), this.#node));
    yield* renderFamilies(volumeFamilies, samples);
  }
}
