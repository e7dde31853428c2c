// Makes or opens the replicas that this daemon keeps. Called once, at the start, when pools are open. What is
// not what was asked for is refused: a replica is never made anew over another.
import { randomUUID } from 'node:crypto';
import { DomainError } from '../base/errors.js';
import { ReplicaOpenError } from '../base/mirror-errors.js';
import type { ReplicaSpec } from '../base/replica-spec.js';
import type { ReplicaInfo, ReplicaOptions } from '../native/mirror-types.js';
import type { MirrorsEngine } from './types.js';

/** What a replica is made with where it is not there: the first member of a new volume is all of it. */
export type Beginning = Pick<ReplicaOptions, 'content' | 'volumeUuid'>;

export class Replicas {
  readonly #engine: MirrorsEngine;
  readonly #opened = new Map<string, ReplicaInfo>();
  readonly #problems = new Map<string, string>();

  constructor(engine: MirrorsEngine) {
    this.#engine = engine;
  }

  get opened(): readonly ReplicaInfo[] {
    return [...this.#opened.values()];
  }

  /** Of those whose pool is not open: it keeps nothing else from being served. */
  get problems(): readonly string[] {
    return [...this.#problems].map(([name, reason]) => `replica ${name}: ${reason}`);
  }

  find(name: string): ReplicaInfo | undefined {
    return this.#opened.get(name);
  }

  problemOf(name: string): string | undefined {
    return this.#problems.get(name);
  }

  async open(spec: ReplicaSpec, beginning: Beginning): Promise<void> {
    const { name, device, blockSizeBytes, uuid, allowedHosts } = spec;
    if (device.kind === 'pool') {
      const problem = await this.#poolProblem(name, device);
      if (problem !== undefined) {
        this.#problems.set(name, problem);
        return;
      }
    }
    const info = await this.#engine.addReplica({
      name,
      blockSizeBytes,
      uuid: uuid ?? randomUUID(),
      ...beginning,
      ...placeOf(device),
      ...(allowedHosts.length > 0 && { hosts: allowedHosts }),
    });
    if (uuid !== undefined && info.uuid !== uuid) {
      throw new ReplicaOpenError(name, `it is there, and has the uuid ${info.uuid}, not ${uuid}`);
    }
    this.#opened.set(name, info);
  }

  /** Answers why its pool cannot be used; fails when the volume cannot. */
  async #poolProblem(
    name: string,
    { pool, volume }: { readonly pool: string; readonly volume: string },
  ): Promise<string | undefined> {
    let volumes: Awaited<ReturnType<MirrorsEngine['poolVolumes']>>;
    try {
      volumes = await this.#engine.poolVolumes(pool);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return `pool '${pool}' is not open (${error.message})`;
    }
    const found = volumes.find((one) => one.name === volume);
    if (found === undefined) {
      const how = `ballast volume create ${volume} --pool ${pool} --size SIZE`;
      throw new ReplicaOpenError(name, `pool '${pool}' has no volume '${volume}'; make it first: ${how}`);
    }
    if (found.wrappedKey !== undefined) {
      throw new ReplicaOpenError(name, `volume '${volume}' is encrypted, and replicas cannot be yet`);
    }
    return undefined;
  }
}

function placeOf(device: ReplicaSpec['device']): Partial<ReplicaOptions> {
  if (device.kind === 'pool') return { pool: device.pool, volume: device.volume };
  const { path, sizeBytes } = device;
  return sizeBytes === undefined ? { path } : { path, sizeBytes };
}
