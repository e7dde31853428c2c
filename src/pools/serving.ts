// Begins and ends serving volumes of pools: one namespace, number 1, of a subsystem that is named by the
// volume's UUID. Called by the services of this room, which hold the volume's lock. The data key of an
// encrypted volume is in memory here between its provider and the engine, and overwritten after.
import { DomainError } from '../base/errors.js';
import type { Log } from '../base/log.js';
import { volumeNqn } from '../base/nqn.js';
import { KeyUnavailableError, VolumeInUseError } from '../base/pool-errors.js';
import type { VolumeKeys } from '../keys/volume-keys.js';
import type { Qos } from './qos.js';
import type { VolumeEntry } from './registry.js';
import type { Forceable, PoolsEngine } from './types.js';

export type Keys = Pick<VolumeKeys, 'make' | 'unwrap' | 'rewrap' | 'describe' | 'provider'>;

export const volumeBlockBytes = 4096;

export class Serving {
  constructor(
    readonly engine: PoolsEngine,
    readonly keys: Keys,
    readonly log: Log,
    readonly qos: Pick<Qos, 'limitsOf'>,
  ) {}

  /** Sets the volume's state; fails with why it cannot be served. */
  async start(volume: VolumeEntry): Promise<void> {
    const { name, uuid, wrappedKey } = volume.info;
    const { hosts } = volume.settings;
    if (isErased(volume)) {
      setState(volume, 'erased', erasedText);
      throw new KeyUnavailableError(`volume '${name}'`, erasedText);
    }
    let key: Buffer | undefined;
    try {
      if (wrappedKey !== undefined) key = await this.keys.unwrap(wrappedKey);
      await this.engine.addVolume({
        name,
        kind: 'pool',
        pool: volume.pool.record.name,
        nqn: volumeNqn(uuid),
        nsid: 1,
        uuid,
        ...(volume.settings.qos !== undefined && { qos: this.qos.limitsOf(volume) }),
        ...(key !== undefined && { key }),
        ...(hosts !== undefined && { hosts: hosts.map(({ nqn }) => nqn) }),
      });
      setState(volume, 'serving', undefined);
    } catch (error) {
      setState(volume, error instanceof KeyUnavailableError ? 'locked' : 'stopped', textOf(error));
      throw error;
    } finally {
      key?.fill(0);
    }
  }

  /** As start(); a volume that cannot be served does not keep others from it. */
  async tryStart(volume: VolumeEntry): Promise<void> {
    try {
      await this.start(volume);
    } catch (error) {
      const { name } = volume.info;
      this.log.error({ room: 'pools', volume: name }, `volume '${name}' is not served: ${textOf(error)}`);
    }
  }

  /** I/O in flight finishes first. */
  async stop(volume: VolumeEntry): Promise<void> {
    if (volume.state !== 'serving') return;
    await this.engine.removeVolume(volume.info.name);
    setState(volume, 'stopped', 'it is not served at the moment');
  }

  /** Runs `work` while the volume is not served. Whatever comes of it, it is served again after. */
  async without<T>(volume: VolumeEntry, work: () => Promise<T>): Promise<T> {
    const served = volume.state === 'serving';
    await this.stop(volume);
    try {
      return await work();
    } finally {
      if (served) await this.tryStart(volume);
    }
  }

  /** NQNs of the hosts that use it, or whose last I/O is still finishing. */
  async connectedHosts({ state, info }: VolumeEntry): Promise<readonly string[]> {
    return state === 'serving' ? this.engine.hosts(volumeNqn(info.uuid)) : [];
  }

  async checkNoHosts(volume: VolumeEntry, { force = false }: Forceable): Promise<void> {
    if (force) return;
    const hosts = await this.connectedHosts(volume);
    if (hosts.length === 0) return;
    const who = hosts.length === 1 ? `${hosts[0]} is` : `${hosts.length} hosts are`;
    throw new VolumeInUseError(
      volume.info.name,
      `${who} connected, and this would interrupt them; force does it all the same`,
    );
  }
}

const erasedText = 'its key was discarded: what it holds cannot be read any more';

export function isErased({ info }: VolumeEntry): boolean {
  return info.wrappedKey?.length === 0;
}

function setState(volume: VolumeEntry, state: VolumeEntry['state'], error: string | undefined): void {
  volume.state = state;
  volume.error = error;
}

export function textOf(error: unknown): string {
  if (error instanceof DomainError) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
