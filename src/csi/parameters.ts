// The parameters of a StorageClass, by the list of those that there are: a word that nobody knows is a
// mistake that is told of, not a volume that is not what was meant.
import { invalid } from './checks.js';
import { clusterDifference } from './cluster.js';
import type { StorageVolume } from './storage.js';

/** For volumes of a cluster; a daemon refuses them. */
export interface ClusterParameters {
  readonly replicas?: number;
  readonly minInSync?: number;
  readonly spread?: 'zone' | 'prefer-zone';
  readonly nodeLabels?: Readonly<Record<string, string>>;
  readonly apartGroup?: string;
  /** Not of a class: what topology is asked for says it. */
  readonly zones?: readonly string[];
}

export const clusterWords = [
  'replicas',
  'minInSync',
  'spread',
  'nodeLabels',
  'apartGroup',
] as const satisfies readonly (keyof ClusterParameters)[];

export interface VolumeParameters extends ClusterParameters {
  readonly pool?: string;
  readonly thick: boolean;
  /** Not given: plain, or as the source is. */
  readonly encrypted?: boolean;
}

type Texts = Readonly<Record<string, string>>;

const poolPattern = /^[a-z0-9][a-z0-9._-]{0,62}$/i;
const labelPattern = /^([^=,]{1,253})=([^=,]{0,63})$/;
/** What Kubernetes adds for the log of a driver; nothing depends on it. */
const toldByKubernetes = /^csi\.storage\.k8s\.io\/(?:pvc\/name|pvc\/namespace|pv\/name|fstype)$/;

export function parseParameters(parameters: Texts): VolumeParameters {
  const known: Known = {};
  for (const [key, value] of Object.entries(parameters)) {
    if (isWord(key)) Object.assign(known, { [key]: readers[key](value, key) });
    else if (!toldByKubernetes.test(key)) throw invalid('parameters', `only ${parameterWords.join(', ')}`);
  }
  const { thin = true, ...rest } = known;
  return { ...rest, thick: !thin };
}

/** In which of them a volume differs. */
export function differenceOf(
  { pool: wanted, thick, encrypted, ...placement }: VolumeParameters,
  volume: StorageVolume,
): string | undefined {
  if (wanted !== undefined && wanted !== volume.pool) return 'pool';
  if (thick !== (volume.thick ?? false)) return 'thin';
  if (encrypted !== undefined && encrypted !== volume.encrypted) return 'encrypted';
  return clusterDifference(placement, volume.cluster);
}

/** Snapshots have none of their own. */
export function checkSnapshotParameters(parameters: Texts): void {
  const unknown = Object.keys(parameters).some((key) => !/^csi\.storage\.k8s\.io\//.test(key));
  if (unknown) throw invalid('parameters', 'none for snapshots');
}

function pool(value: string): string {
  if (!poolPattern.test(value)) throw invalid('parameters', 'the name of a pool for pool');
  return value;
}

function flag(value: string, key: string): boolean {
  if (value !== 'true' && value !== 'false') throw invalid('parameters', `true or false for ${key}`);
  return value === 'true';
}

function count(value: string, key: string): number {
  if (!/^[1-9]$/.test(value)) throw invalid('parameters', `a small number for ${key}`);
  return Number(value);
}

function spread(value: string): 'zone' | 'prefer-zone' {
  if (value !== 'zone' && value !== 'prefer-zone')
    throw invalid('parameters', 'zone or prefer-zone for spread');
  return value;
}

/** KEY=VALUE,... */
function labels(value: string): Readonly<Record<string, string>> {
  const pairs = value.split(',').map((text) => {
    const match = labelPattern.exec(text);
    if (match === null) throw invalid('parameters', 'KEY=VALUE,... for nodeLabels');
    return [match[1], match[2]] as const;
  });
  return Object.fromEntries(pairs);
}

function group(value: string): string {
  if (!poolPattern.test(value)) throw invalid('parameters', 'a name for apartGroup');
  return value;
}

const readers = {
  pool,
  thin: flag,
  encrypted: flag,
  replicas: count,
  minInSync: count,
  spread,
  nodeLabels: labels,
  apartGroup: group,
} as const satisfies Record<string, (value: string, key: string) => unknown>;

type Word = keyof typeof readers;
type Known = { -readonly [Key in Word]?: ReturnType<(typeof readers)[Key]> };

const parameterWords = Object.keys(readers);

/** Of a StorageClass, of us. */
export function isParameter(key: string): boolean {
  return isWord(key);
}

function isWord(key: string): key is Word {
  return Object.hasOwn(readers, key);
}
