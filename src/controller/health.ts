// Whether a cluster is as it should be: named checks, each with what is wrong, and what a person can do.
// Pure.
import type { ClusterEvent } from '../cluster/model/event.js';
import { type Refusal, refusalText } from '../cluster/model/refusal.js';
import type { ClusterNodeView, ClusterVolumeView } from './types.js';

export type CheckLevel = 'warning' | 'error';

export interface HealthCheck {
  /** Such as NODE_AWAY; see docs/operations/cluster.md. */
  readonly code: string;
  readonly level: CheckLevel;
  readonly text: string;
  readonly remedy: string;
}

export interface ClusterStatus {
  readonly health: 'healthy' | CheckLevel;
  /** Name of the controller that leads; absent: none does. */
  readonly leader?: string;
  readonly nodes: { readonly total: number; readonly up: number };
  readonly volumes: { readonly total: number; readonly healthy: number };
  readonly checks: readonly HealthCheck[];
  readonly events: readonly ClusterEvent[];
}

/** A pool with less than this free is told of, in percent. */
const freePercentMin = 10n;
/** Names in one text; of more only the count. */
const namesMax = 5;

export function clusterStatus(
  nodes: readonly ClusterNodeView[],
  volumes: readonly ClusterVolumeView[],
  leader: string | undefined,
  events: readonly ClusterEvent[],
  refusals: readonly Refusal[] = [],
): ClusterStatus {
  const members = nodes.filter(({ state }) => state !== 'decommissioned');
  const checks = [
    ...storeChecks(refusals),
    ...leaderChecks(leader),
    ...nodeChecks(members),
    ...poolChecks(members),
    ...volumeChecks(volumes),
    ...versionChecks(members),
  ];
  const worst = checks.some(({ level }) => level === 'error') ? 'error' : 'warning';
  return {
    health: checks.length === 0 ? 'healthy' : worst,
    ...(leader !== undefined && { leader }),
    nodes: { total: members.length, up: members.filter(({ up }) => up).length },
    volumes: { total: volumes.length, healthy: volumes.filter(({ health }) => health === 'healthy').length },
    checks,
    events,
  };
}

function storeChecks(refusals: readonly Refusal[]): readonly HealthCheck[] {
  if (refusals.length === 0) return [];
  return [
    {
      ...{ code: 'STORE_RESTORED', level: 'error' },
      text: `${refusalText(refusals)}; nothing is made, moved, repaired or deleted, heads go on serving`,
      remedy: "put the store's newest state back; or see what disks know: ballast cluster rebuild",
    },
  ];
}

function leaderChecks(leader: string | undefined): readonly HealthCheck[] {
  if (leader !== undefined) return [];
  return [
    {
      ...{ code: 'NO_LEADER', level: 'error' },
      text: 'no controller leads: nothing is made, moved or repaired',
      remedy: 'start a controller, and look whether it reaches the store',
    },
  ];
}

function nodeChecks(nodes: readonly ClusterNodeView[]): readonly HealthCheck[] {
  const away = nodes.filter(({ up }) => !up);
  if (away.length === 0) return [];
  return [
    {
      ...{ code: 'NODE_AWAY', level: 'warning' },
      text: `no answer from ${listed(away.map(({ name }) => name))}`,
      remedy: 'start the agent there; a node that is gone for good: ballast node evacuate, then decommission',
    },
  ];
}

function poolChecks(nodes: readonly ClusterNodeView[]): readonly HealthCheck[] {
  const pools = nodes.flatMap((node) =>
    node.pools.map((pool) => ({ ...pool, at: `${node.name}/${pool.name}` })),
  );
  const broken = pools.filter(({ error }) => error !== undefined);
  const full = pools.filter(
    ({ error, freeBytes, capacityBytes }) =>
      error === undefined && freeBytes * 100n < capacityBytes * freePercentMin,
  );
  return [
    ...broken.map(
      ({ at, error = '' }): HealthCheck => ({
        ...{ code: 'POOL_FAILED', level: 'error', text: `pool ${at}: ${error}` },
        remedy: 'ballast pool show there; replace the disk, or evacuate the node',
      }),
    ),
    ...full.map(
      ({ at, freeBytes, capacityBytes }): HealthCheck => ({
        ...{ code: 'POOL_NEARLY_FULL', level: 'warning' },
        text: `pool ${at} has ${(freeBytes * 100n) / capacityBytes} % free`,
        remedy: 'ballast pool add-device there, or delete what is not needed',
      }),
    ),
  ];
}

function volumeChecks(volumes: readonly ClusterVolumeView[]): readonly HealthCheck[] {
  const named = (health: string) =>
    volumes.filter((volume) => volume.health === health).map(({ name }) => name);
  const [unavailable, degraded] = [named('unavailable'), named('degraded')];
  return [
    ...(unavailable.length === 0
      ? []
      : [
          {
            ...{ code: 'VOLUME_UNAVAILABLE', level: 'error' as const },
            text: `cannot be read or written now: ${listed(unavailable)}`,
            remedy: 'ballast volume explain NAME says which nodes are needed for each',
          },
        ]),
    ...(degraded.length === 0
      ? []
      : [
          {
            ...{ code: 'VOLUME_DEGRADED', level: 'warning' as const },
            text: `fewer replicas in sync than wished for: ${listed(degraded)}`,
            remedy:
              'ballast rebuild list shows copies under way, ballast volume explain NAME what is waited for',
          },
        ]),
  ];
}

function versionChecks(nodes: readonly ClusterNodeView[]): readonly HealthCheck[] {
  const versions = new Set(nodes.flatMap(({ version }) => version ?? []));
  if (versions.size < 2) return [];
  return [
    {
      ...{ code: 'VERSIONS_DIFFER', level: 'warning' },
      text: `nodes run ${[...versions].sort().join(' and ')}`,
      remedy: 'finish the upgrade: drain a node, restart it with the new version, uncordon it',
    },
  ];
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, namesMax).map((name) => `'${name}'`);
  return names.length > namesMax
    ? `${shown.join(', ')} and ${names.length - namesMax} more`
    : shown.join(', ');
}
