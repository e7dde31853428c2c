// Which hosts may use a volume: granted, granted alone, revoked. Called by the REST API. A volume that any
// host may use has no list; the first grant makes one and closes it to all others. A revocation is in the
// store first, so that nothing lets the host in again, and answers when the target says that none of the
// host's I/O can take effect any more.
import { InvalidArgumentError } from '../base/errors.js';
import { checkNqn, volumeNqn } from '../base/nqn.js';
import { HostConflictError, VolumeInUseError } from '../base/pool-errors.js';
import { hostsMax } from '../base/volume-spec.js';
import type { VolumeEntry } from './registry.js';
import { textOf } from './serving.js';
import type { VolumeView } from './types.js';
import type { HostGrant } from './volume-settings.js';
import { volumeView } from './volume-view.js';
import { type VolumeParts, withVolumes } from './volumes.js';

export interface HostsOfVolume {
  /** Absent: any host. */
  readonly granted?: readonly HostGrant[];
  /** NQNs of those that are connected, or whose last I/O is still finishing. */
  readonly connected: readonly string[];
}

export class Hosts {
  readonly #parts: VolumeParts;

  constructor(parts: VolumeParts) {
    this.#parts = parts;
  }

  async list(name: string): Promise<HostsOfVolume> {
    const volume = this.#parts.registry.volume(name);
    const { hosts: granted } = volume.settings;
    const connected = await this.#parts.serving.connectedHosts(volume);
    return { connected, ...(granted !== undefined && { granted }) };
  }

  /** Again is nothing. `exclusive`: while it has the volume, nobody else is granted it. */
  grant(name: string, nqn: string, { exclusive = false } = {}): Promise<VolumeView> {
    checkNqn(nqn);
    return withVolumes(this.#parts, [name], async ([volume]) => {
      const next = await this.#with(volume, { nqn, exclusive });
      await this.#set(volume, next);
      return this.#view(volume);
    });
  }

  /** Again is nothing, but waits as the first time. */
  revoke(name: string, nqn: string): Promise<VolumeView> {
    checkNqn(nqn);
    return withVolumes(this.#parts, [name], async ([volume]) => {
      const { hosts } = volume.settings;
      if (hosts === undefined) {
        const expected = 'a volume with a list of hosts; any host may use this one, grant it to some first';
        throw new InvalidArgumentError('volume', expected);
      }
      const left = hosts.filter((host) => host.nqn !== nqn);
      if (left.length < hosts.length) await this.#parts.settings.change(volume, { hosts: left });
      await this.#tellEngine(volume);
      return this.#view(volume);
    });
  }

  /** Any host may use it from now on. */
  open(name: string): Promise<VolumeView> {
    return withVolumes(this.#parts, [name], async ([volume]) => {
      const alone = volume.settings.hosts?.find(({ exclusive }) => exclusive);
      if (alone !== undefined) {
        throw new HostConflictError(volume.info.name, `${alone.nqn} has it exclusively; revoke that first`);
      }
      if (volume.settings.hosts !== undefined) await this.#set(volume, undefined);
      return this.#view(volume);
    });
  }

  async #with(volume: VolumeEntry, wanted: HostGrant): Promise<readonly HostGrant[]> {
    const { name } = volume.info;
    const { hosts } = volume.settings;
    if (hosts === undefined) {
      await this.#checkNoOthers(volume, wanted);
      return [wanted];
    }
    const others = hosts.filter(({ nqn }) => nqn !== wanted.nqn);
    const alone = others.find(({ exclusive }) => exclusive);
    if (alone !== undefined) throw new HostConflictError(name, `${alone.nqn} has it exclusively`);
    if (wanted.exclusive && others.length > 0) {
      const who = others.length === 1 ? `${others[0]?.nqn} has it` : `${others.length} hosts have it`;
      throw new HostConflictError(name, `it cannot be given to one host alone: ${who}`);
    }
    if (others.length >= hostsMax)
      throw new HostConflictError(name, `${hostsMax} hosts have it, no more can`);
    return hosts.some(({ nqn }) => nqn === wanted.nqn)
      ? hosts.map((host) => (host.nqn === wanted.nqn ? wanted : host))
      : [...hosts, wanted];
  }

  // The first grant shuts out everybody else: not those who are at work.
  async #checkNoOthers(volume: VolumeEntry, { nqn }: HostGrant): Promise<void> {
    const connected = await this.#parts.serving.connectedHosts(volume);
    const others = connected.filter((host) => host !== nqn);
    if (others.length === 0) return;
    throw new VolumeInUseError(
      volume.info.name,
      `any host may use it, and ${others.join(', ')} now; disconnect first`,
    );
  }

  async #set(volume: VolumeEntry, hosts: readonly HostGrant[] | undefined): Promise<void> {
    const { hosts: before } = volume.settings;
    await this.#parts.settings.change(volume, { hosts });
    try {
      await this.#tellEngine(volume);
    } catch (error) {
      await this.#undo(volume, before);
      throw error;
    }
  }

  async #undo(volume: VolumeEntry, hosts: readonly HostGrant[] | undefined): Promise<void> {
    try {
      await this.#parts.settings.change(volume, { hosts });
      await this.#tellEngine(volume);
    } catch (error) {
      const { name } = volume.info;
      const text = `grant volume '${name}': undoing failed: ${textOf(error)}`;
      this.#parts.log.error({ room: 'pools', err: error }, text);
    }
  }

  async #tellEngine({ state, info, settings }: VolumeEntry): Promise<void> {
    if (state !== 'serving') return;
    await this.#parts.engine.setHosts(
      volumeNqn(info.uuid),
      settings.hosts?.map(({ nqn }) => nqn),
    );
  }

  #view(volume: VolumeEntry): VolumeView {
    return volumeView(volume, this.#parts.serving.keys);
  }
}
