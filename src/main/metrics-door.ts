// The address of --metrics-listen: bound before anything is served, so that one that is taken is found early;
// who asks before there are metrics waits.
import type { HostPort } from '../base/address.js';
import type { MetricsListener } from '../metrics/listen.js';

interface MetricsText {
  text(): AsyncIterable<string>;
}

export class MetricsDoor {
  readonly #metrics: Promise<MetricsText>;
  #serve: (metrics: MetricsText) => void = () => undefined;
  #listener: MetricsListener | undefined;

  private constructor() {
    this.#metrics = new Promise((resolve) => {
      this.#serve = resolve;
    });
  }

  static async open(address: HostPort | undefined): Promise<MetricsDoor> {
    const door = new MetricsDoor();
    if (address === undefined) return door;
    const { listenForMetrics } = await import('../metrics/listen.js');
    door.#listener = await listenForMetrics(address, () => door.#text());
    return door;
  }

  /** What was bound; absent: nothing was asked for. */
  get address(): HostPort | undefined {
    return this.#listener?.address;
  }

  serve(metrics: MetricsText): void {
    this.#serve(metrics);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    await listener?.close();
  }

  async *#text(): AsyncGenerator<string> {
    yield* (await this.#metrics).text();
  }
}
