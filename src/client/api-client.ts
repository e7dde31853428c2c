// The REST API of a daemon, a method for each route that commands use. Answers are what the daemon says, as
// JSON: sizes are numbers, or decimal strings above 2^53 - 1; toBytes() makes them bigint.

import type { MirrorBody, MirrorSnapshotBody } from '../api/mirror-schemas.js';
import type { NewPoolBody, PolicyBody, PoolBody } from '../api/pool-schemas.js';
import type { QosBudgetBody, QosClassBody } from '../api/qos-schemas.js';
import type { AnaBody } from '../api/routes/ana.js';
import type { HostsBody } from '../api/routes/hosts.js';
import type { JoinTokenBody, NewJoinTokenBody, WantedJoinTokenBody } from '../api/routes/join-tokens.js';
import type { KeysBody, RotatedBody } from '../api/routes/keys.js';
import type { StatsBody, VolumeStatsBody } from '../api/routes/stats.js';
import type {
  ExtentsBody,
  NewVolumeBody,
  SnapshotBody,
  VolumeBody,
  VolumePatchBody,
} from '../api/volume-schemas.js';
import type { AnaState } from '../base/ana.js';
import type { Endpoint } from './endpoint.js';
import { ask, type Request } from './transport.js';

export type {
  ExtentsBody,
  HostsBody,
  JoinTokenBody,
  KeysBody,
  MirrorBody,
  MirrorSnapshotBody,
  NewPoolBody,
  NewVolumeBody,
  PolicyBody,
  PoolBody,
  QosBudgetBody,
  QosClassBody,
  RotatedBody,
  SnapshotBody,
  StatsBody,
  VolumeBody,
  VolumePatchBody,
  VolumeStatsBody,
};

export type PodBody = NonNullable<VolumeBody['pods']>[number];

export interface NewQosBudget {
  readonly iops: number;
  readonly depth?: number;
  /** Also below what is guaranteed. */
  readonly force?: boolean;
}

export interface SnapshotName {
  readonly volume: string;
  readonly name: string;
}

export interface ExtentsQuery {
  readonly snapshot?: string | undefined;
  readonly since?: string | undefined;
  readonly offset?: string | undefined;
  readonly limit?: string | undefined;
}

// Erasing and allocating may go over terabytes; exporting waits for them.
const forever = { timeoutMs: Number.POSITIVE_INFINITY };

export class ApiClient {
  constructor(readonly endpoint: Endpoint) {}

  async pools(): Promise<readonly PoolBody[]> {
    return (await this.#ask<{ pools: PoolBody[] }>('GET', 'pools')).pools;
  }

  pool(name: string): Promise<PoolBody> {
    return this.#ask('GET', `pools/${part(name)}`);
  }

  createPool(body: NewPoolBody): Promise<PoolBody> {
    return this.#ask('POST', 'pools', body, forever);
  }

  importPool(paths: readonly string[]): Promise<PoolBody> {
    return this.#ask('POST', 'pools/import', { paths }, forever);
  }

  setPoolPolicy(pool: string, policy: PolicyBody): Promise<PoolBody> {
    return this.#ask('PATCH', `pools/${part(pool)}`, policy);
  }

  addDevice(pool: string, device: NewPoolBody['devices'][number]): Promise<PoolBody> {
    return this.#ask('POST', `pools/${part(pool)}/devices`, device, forever);
  }

  exportPool(name: string, force: boolean): Promise<void> {
    return this.#ask('POST', `pools/${part(name)}/export`, { force }, forever);
  }

  destroyPool(name: string): Promise<void> {
    return this.#ask('DELETE', `pools/${part(name)}`, undefined, forever);
  }

  startScrub(pool: string, bytesPerSecond: bigint): Promise<PoolBody> {
    return this.#ask('POST', `pools/${part(pool)}/scrub`, { bytesPerSecond: bytesPerSecond.toString() });
  }

  stopScrub(pool: string): Promise<PoolBody> {
    return this.#ask('DELETE', `pools/${part(pool)}/scrub`);
  }

  async mirrors(): Promise<readonly MirrorBody[]> {
    return (await this.#ask<{ mirrors: MirrorBody[] }>('GET', 'mirrors')).mirrors;
  }

  mirror(name: string): Promise<MirrorBody> {
    return this.#ask('GET', `mirrors/${part(name)}`);
  }

  addMirrorMember(name: string, member: string): Promise<MirrorBody> {
    return this.#ask('POST', `mirrors/${part(name)}/members`, { member }, forever);
  }

  removeMirrorMember(name: string, member: string): Promise<MirrorBody> {
    return this.#ask('DELETE', `mirrors/${part(name)}/members/${part(member)}`, undefined, forever);
  }

  resizeMirror(name: string, sizeBytes: bigint): Promise<MirrorBody> {
    return this.#ask('PATCH', `mirrors/${part(name)}`, { sizeBytes: sizeBytes.toString() }, forever);
  }

  /** bytesPerSecond: null: as fast as it goes, and slower beside I/O of hosts. */
  setMirrorResyncRate(name: string, bytesPerSecond: bigint | null): Promise<MirrorBody> {
    const resyncBytesPerSecond = bytesPerSecond === null ? null : bytesPerSecond.toString();
    return this.#ask('PATCH', `mirrors/${part(name)}`, { resyncBytesPerSecond });
  }

  snapshotMirror(name: string, snapshot: string): Promise<MirrorSnapshotBody> {
    return this.#ask('POST', `mirrors/${part(name)}/snapshots`, { name: snapshot }, forever);
  }

  async mirrorSnapshots(name: string): Promise<readonly MirrorSnapshotBody[]> {
    const path = `mirrors/${part(name)}/snapshots`;
    return (await this.#ask<{ snapshots: MirrorSnapshotBody[] }>('GET', path)).snapshots;
  }

  deleteMirrorSnapshot(name: string, snapshot: string): Promise<void> {
    return this.#ask('DELETE', `mirrors/${part(name)}/snapshots/${part(snapshot)}`, undefined, forever);
  }

  startMirrorVerify(name: string): Promise<MirrorBody> {
    return this.#ask('POST', `mirrors/${part(name)}/verify`);
  }

  cancelMirrorVerify(name: string): Promise<MirrorBody> {
    return this.#ask('DELETE', `mirrors/${part(name)}/verify`);
  }

  async volumes(): Promise<readonly VolumeBody[]> {
    return (await this.#ask<{ volumes: VolumeBody[] }>('GET', 'volumes')).volumes;
  }

  volume(name: string): Promise<VolumeBody> {
    return this.#ask('GET', `volumes/${part(name)}`);
  }

  createVolume(body: NewVolumeBody): Promise<VolumeBody> {
    return this.#ask('POST', 'volumes', body, forever);
  }

  changeVolume(name: string, change: VolumePatchBody): Promise<VolumeBody> {
    return this.#ask('PATCH', `volumes/${part(name)}`, change, forever);
  }

  deleteVolume(name: string, { erase = false, cryptoErase = false, force = false } = {}): Promise<void> {
    const query = `?erase=${erase}&cryptoErase=${cryptoErase}&force=${force}`;
    return this.#ask('DELETE', `volumes/${part(name)}${query}`, undefined, forever);
  }

  revertVolume(name: string, snapshot: string, force: boolean): Promise<VolumeBody> {
    return this.#ask('POST', `volumes/${part(name)}/revert`, { snapshot, force });
  }

  serveVolume(name: string): Promise<VolumeBody> {
    return this.#ask('POST', `volumes/${part(name)}/serve`);
  }

  eraseKey(name: string, force: boolean): Promise<VolumeBody> {
    return this.#ask('POST', `volumes/${part(name)}/erase-key`, { force });
  }

  hosts(volume: string): Promise<HostsBody> {
    return this.#ask('GET', `volumes/${part(volume)}/hosts`);
  }

  grantHost(volume: string, nqn: string, { exclusive = false } = {}): Promise<VolumeBody> {
    return this.#ask('PUT', `volumes/${part(volume)}/hosts/${part(nqn)}`, { exclusive }, forever);
  }

  /** Answers when none of the host's I/O can take effect any more. */
  revokeHost(volume: string, nqn: string): Promise<VolumeBody> {
    return this.#ask('DELETE', `volumes/${part(volume)}/hosts/${part(nqn)}`, undefined, forever);
  }

  /** Answers when no I/O is in flight that the state forbids. */
  setAnaState(volume: string, state: AnaState): Promise<AnaBody> {
    return this.#ask('PUT', `volumes/${part(volume)}/ana`, { state }, forever);
  }

  putPod(volume: string, podUid: string, pod: Omit<PodBody, 'uid'>): Promise<void> {
    return this.#ask('PUT', `volumes/${part(volume)}/pods/${part(podUid)}`, pod);
  }

  deletePod(volume: string, podUid: string): Promise<void> {
    return this.#ask('DELETE', `volumes/${part(volume)}/pods/${part(podUid)}`);
  }

  /** Counters and latency of all volumes, at one moment. */
  stats(): Promise<StatsBody> {
    return this.#ask('GET', 'stats');
  }

  async snapshots(volume: string): Promise<readonly SnapshotBody[]> {
    const path = `volumes/${part(volume)}/snapshots`;
    return (await this.#ask<{ snapshots: SnapshotBody[] }>('GET', path)).snapshots;
  }

  /** Of all volumes; `name`: only those of this name. */
  async allSnapshots(name?: string): Promise<readonly SnapshotBody[]> {
    const all: SnapshotBody[] = [];
    let after: string | undefined;
    do {
      const query = new URLSearchParams({
        ...(name !== undefined && { name }),
        ...(after !== undefined && { after }),
      });
      const page = await this.#ask<{ snapshots: SnapshotBody[]; next?: string }>('GET', `snapshots?${query}`);
      all.push(...page.snapshots);
      after = page.next;
    } while (after !== undefined);
    return all;
  }

  /** All at one moment. */
  async createSnapshots(snapshots: readonly SnapshotName[]): Promise<readonly SnapshotBody[]> {
    return (await this.#ask<{ snapshots: SnapshotBody[] }>('POST', 'snapshots', { snapshots })).snapshots;
  }

  deleteSnapshot({ volume, name }: SnapshotName): Promise<void> {
    return this.#ask('DELETE', `volumes/${part(volume)}/snapshots/${part(name)}`);
  }

  extents(volume: string, query: ExtentsQuery): Promise<ExtentsBody> {
    const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
    return this.#ask('GET', `volumes/${part(volume)}/extents?${new URLSearchParams(given)}`);
  }

  /** That a pod uses the volume, for reports. Idempotent. */
  announcePod(
    volume: string,
    podUid: string,
    pod: {
      readonly node: string;
      readonly namespace: string;
      readonly name: string;
      readonly claim?: string;
    },
  ): Promise<void> {
    return this.#ask('PUT', `volumes/${part(volume)}/pods/${part(podUid)}`, pod);
  }

  withdrawPod(volume: string, podUid: string): Promise<void> {
    return this.#ask('DELETE', `volumes/${part(volume)}/pods/${part(podUid)}`);
  }

  async joinTokens(): Promise<readonly JoinTokenBody[]> {
    return (await this.#ask<{ tokens: JoinTokenBody[] }>('GET', 'cluster/join-tokens')).tokens;
  }

  createJoinToken(body: WantedJoinTokenBody): Promise<NewJoinTokenBody> {
    return this.#ask('POST', 'cluster/join-tokens', body);
  }

  deleteJoinToken(id: string): Promise<void> {
    return this.#ask('DELETE', `cluster/join-tokens/${part(id)}`);
  }

  async qosClasses(): Promise<readonly QosClassBody[]> {
    return (await this.#ask<{ classes: QosClassBody[] }>('GET', 'qos/classes')).classes;
  }

  putQosClass(name: string, qos: QosClassBody['qos']): Promise<QosClassBody> {
    return this.#ask('PUT', `qos/classes/${part(name)}`, qos);
  }

  deleteQosClass(name: string): Promise<void> {
    return this.#ask('DELETE', `qos/classes/${part(name)}`);
  }

  qosBudget(): Promise<QosBudgetBody> {
    return this.#ask('GET', 'qos/budget');
  }

  setQosBudget(budget: NewQosBudget): Promise<QosBudgetBody> {
    return this.#ask('PUT', 'qos/budget', budget);
  }

  /** Where hosts reach the daemon. */
  async listeners(): Promise<readonly { readonly host: string; readonly port: number }[]> {
    return (await this.#ask<{ listeners: { host: string; port: number }[] }>('GET', 'node')).listeners;
  }

  keys(): Promise<KeysBody> {
    return this.#ask('GET', 'keys');
  }

  rotateKeys(dropOld: boolean): Promise<RotatedBody> {
    return this.#ask('POST', 'keys/rotate', { dropOld }, forever);
  }

  async #ask<T>(
    method: Request['method'],
    path: string,
    body?: object,
    options: Pick<Request, 'timeoutMs'> = {},
  ): Promise<T> {
    // The daemon that speaks /v1/ says what its OpenAPI document says.
    return (await ask(this.endpoint, { method, path, ...(body && { body }), ...options })) as T;
  }
}

export function toBytes(value: number | string | undefined): bigint {
  return BigInt(value ?? 0);
}

function part(name: string): string {
  return encodeURIComponent(name);
}
