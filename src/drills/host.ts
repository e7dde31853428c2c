// What a drill needs of the data plane: a host with paths to all nodes, a judge, and a look at the disks of
// members. Whoever runs drills brings it.
import type { LoadNamespace } from './load.js';

export interface DrillTarget {
  readonly namespace: LoadNamespace;
  readonly blockSizeBytes: number;
  readonly blocksCount: bigint;
  /** Whom I/O goes through, for people. */
  readonly path: string;
  /** I/O that is in flight fails. */
  close(): Promise<void>;
}

export interface DrillHost {
  /** A path to each address; I/O waits while none can be used. */
  connect(
    nqn: string,
    addresses: readonly { readonly host: string; readonly port: number }[],
  ): Promise<DrillTarget>;
  /** Of a history as JSON lines. */
  judge(lines: Uint8Array): Promise<{
    readonly blocksViolated: number;
    readonly violation?: { readonly block: bigint; readonly text: string };
  }>;
  /** Of a volume of a pool that nobody has open: a digest of each MiB. */
  digests(device: string, pool: string, volume: string): Promise<readonly string[]>;
}
