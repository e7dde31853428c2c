// One volume of the cluster on this node: its replica is there, the volume is served, standby or head. Each
// step looks at what is there and does what is missing, so it may be cut off anywhere and begun again.

import { resolveHost } from '../base/address.js';
import type { Clock } from '../base/clock.js';
import type { HostIdentity } from '../base/identity.js';
import type { Log } from '../base/log.js';
import { replicaNqn } from '../base/nqn.js';
import { replicaDataName } from '../base/replica-spec.js';
import type { StoredMirror } from '../mirrors/record.js';
import type { MirrorRecords } from '../mirrors/records.js';
import type { StoreBridge } from '../mirrors/store-bridge.js';
import type { HeadState, MirrorOptions, MirrorRecord } from '../native/mirror-types.js';
import type { ReplicaPlace } from './takeover.js';
import type { AgentEngine, VolumeFacts, WantedVolume } from './types.js';
import { VolumeRole } from './volume-role.js';

export interface NodeVolumeOptions {
  readonly engine: AgentEngine;
  readonly records: Pick<MirrorRecords, 'get'>;
  readonly bridge: Pick<StoreBridge, 'serve'>;
  /** UUID of this node, and who it is to replicas of others. */
  readonly node: string;
  readonly host: HostIdentity;
  readonly clock: Clock;
  readonly log: Log;
}

export class NodeVolume {
  readonly #options: NodeVolumeOptions;
  readonly #here: ReplicaPlace;
  #wanted: WantedVolume;
  #role: VolumeRole | undefined;
  #record: MirrorRecord | undefined;
  #used = false;
  #hasReplica = false;
  #isServed = false;
  #error: string | undefined;

  /** Fails when no replica of it is of this node: who calls has mixed something up. */
  constructor(options: NodeVolumeOptions, wanted: WantedVolume) {
    const here = wanted.replicas.find(({ node }) => node === options.node);
    if (here === undefined) throw new Error(`volume '${wanted.name}' has no replica of node ${options.node}`);
    this.#options = options;
    this.#here = here;
    this.#wanted = wanted;
  }

  /** What the engine calls its replica. */
  get replica(): string {
    return this.#here.replica;
  }

  get facts(): VolumeFacts {
    return {
      name: this.#wanted.name,
      state: this.#role?.state ?? 'absent',
      ...(this.#record !== undefined && { record: this.#record }),
      ...(this.#error !== undefined && { error: this.#error }),
    };
  }

  /** True: all is there. False: something was in the way, which facts say; to be called again. */
  async ensure(wanted: WantedVolume): Promise<boolean> {
    this.#wanted = wanted;
    try {
      const stored = await this.#options.records.get(wanted.name);
      if (stored === undefined) throw new Error('its record is not in the store yet');
      await this.#ensureReplica(stored);
      await this.#ensureServed(stored);
      this.#tellCluster();
      this.#error = undefined;
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** As the store has it now. */
  setRecord(record: MirrorRecord): void {
    this.#record = record;
    this.#role?.setRecord(record);
  }

  setUsed(used: boolean): void {
    this.#used = used;
    this.#role?.setUsed(used);
  }

  setHeadState(state: HeadState): void {
    this.#role?.setState(state);
  }

  /** Decides nothing any more; what is served stays so. */
  async close(): Promise<void> {
    await this.#role?.close();
    this.#role = undefined;
  }

  /** Not served here any more, its head ends; the replica's data stays in its pool. Idempotent. */
  async remove(): Promise<void> {
    await this.close();
    const { engine } = this.#options;
    if (this.#isServed) await engine.removeVolume(this.#wanted.name);
    this.#isServed = false;
    if (this.#hasReplica) await engine.removeReplica(this.replica);
    this.#hasReplica = false;
  }

  async #ensureReplica({ volumeUuid, record }: StoredMirror): Promise<void> {
    if (this.#hasReplica) return;
    const { engine } = this.#options;
    const { pool, sizeBytes } = this.#wanted;
    const uuid = this.#here.replica;
    const volume = replicaDataName(uuid);
    const there = (await engine.poolVolumes(pool)).find(({ name }) => name === volume);
    // Nobody has ever written to the volume: what is empty is all of it. Later only a copy can make it so.
    const isFirst = record.epoch === 0n;
    if (there === undefined) await engine.createPoolVolume(pool, { name: volume, uuid, sizeBytes });
    const content = isFirst ? 'complete' : 'nothing';
    await engine.addReplica({ name: uuid, pool, volume, uuid, volumeUuid, content });
    this.#hasReplica = true;
  }

  async #ensureServed({ volumeUuid, record }: StoredMirror): Promise<void> {
    if (this.#role !== undefined) return;
    const { engine, records, bridge, clock, log } = this.#options;
    const { name, nqn, hosts } = this.#wanted;
    const mirror = { ...(await this.#mirrorOptions(record)), standby: true };
    if (!this.#isServed) {
      await engine.addVolume({
        ...{ name, kind: 'mirror', nqn, uuid: volumeUuid, mirror, anaState: 'inaccessible' },
        ...(hosts !== undefined && { hosts }),
      });
    }
    this.#isServed = true;
    this.#role = new VolumeRole({
      ...{ name, here: this.#here, engine, clock, log },
      readRecord: () => records.get(name),
      mirrorOptions: (of) => this.#mirrorOptions(of),
      serveStore: (uuid, of) => bridge.serve(name, uuid, of),
    });
    if (this.#used) this.#role.setUsed(true);
    this.setRecord(record);
  }

  async #mirrorOptions(record: MirrorRecord): Promise<MirrorOptions> {
    const { node, host } = this.#options;
    const { replicas, name } = this.#wanted;
    const members = record.members.map(async ({ uuid }) => {
      if (uuid === this.#here.replica) return { uuid, replica: uuid };
      const found = replicas.find(({ replica }) => replica === uuid);
      if (found === undefined) throw new Error(`nobody knows where ${replicaNqn(uuid)} of '${name}' is`);
      const { address } = found;
      return { uuid, address: { host: await resolveHost(address.host), port: address.port } };
    });
    return { members: await Promise.all(members), record, node, ...host };
  }

  #tellCluster(): void {
    const { replicas, head } = this.#wanted;
    const up = replicas.filter(({ up: is, node }) => is || node === this.#options.node);
    this.#role?.setCluster(up, head);
  }

  #fail(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text !== this.#error) {
      const { log } = this.#options;
      const { name } = this.#wanted;
      log.warn(
        { room: 'agent', volume: name, err: error },
        `volume '${name}' is not as it should be: ${text}`,
      );
    }
    this.#error = text;
  }
}
