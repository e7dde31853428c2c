// Kinds of commands whose latency is measured apart, and the buckets it is measured in: those of
// native/target/latency_histogram.h. Said by the engine, the REST API, metrics and `ballast top` alike.

/** Compare and Verify are reads, Copy is a write, Write Zeroes and deallocation are `unmap`. */
export const ioKinds = ['read', 'write', 'flush', 'unmap'] as const;
export type IoKind = (typeof ioKinds)[number];

/** Status Code Types of NVMe. */
export const statusTypes = ['generic', 'command', 'media', 'path', 'other'] as const;
export type StatusType = (typeof statusTypes)[number];

/** From the receipt of a command to its answer, waiting for a limit included. */
export interface LatencyHistogram {
  /** How many took longer than the bound before, and no longer than this: latencyBoundsUs, then the rest. */
  readonly counts: readonly number[];
  readonly sumSeconds: number;
}

/** Upper bounds of the buckets in microseconds: 8, 16, ... 16,777,216. */
export const latencyBoundsUs: readonly number[] = Array.from({ length: 22 }, (_, index) => 8 * 2 ** index);
