// A host of a volume of a cluster, by all of its paths.
import type { Controller, Engine } from '../../src/native/index.js';

interface Reached {
  readonly nqn: string;
  /** Of all nodes with a replica. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
}

export async function connectHost(engine: Engine, { nqn, addresses }: Reached): Promise<Controller> {
  const [first, ...otherAddresses] = addresses;
  if (first === undefined) throw new Error('the volume has no address');
  return engine.connect({ ...first, otherAddresses, nqn, ctrlLossTimeoutMs: 60_000 });
}
