// The parameters of a StorageClass, by the list of those that there are: a word that nobody knows is a
// mistake that is told of, not a volume that is not what was meant.
import type { VolumeBody } from '../client/api-client.js';
import { invalid } from './checks.js';

export interface VolumeParameters {
  readonly pool?: string;
  readonly thick: boolean;
  /** Not given: plain, or as the source is. */
  readonly encrypted?: boolean;
}

type Texts = Readonly<Record<string, string>>;

const poolPattern = /^[a-z0-9][a-z0-9._-]{0,62}$/i;
/** What Kubernetes adds for the log of a driver; nothing depends on it. */
const toldByKubernetes = /^csi\.storage\.k8s\.io\/(?:pvc\/name|pvc\/namespace|pv\/name|fstype)$/;

export function parseParameters(parameters: Texts): VolumeParameters {
  const known: { pool?: string; thin?: boolean; encrypted?: boolean } = {};
  for (const [key, value] of Object.entries(parameters)) {
    if (key === 'pool') known.pool = pool(value);
    else if (key === 'thin' || key === 'encrypted') known[key] = flag(key, value);
    else if (!toldByKubernetes.test(key)) throw invalid('parameters', 'only pool, thin and encrypted');
  }
  const { thin = true, ...rest } = known;
  return { ...rest, thick: !thin };
}

/** In which of them a volume differs. */
export function differenceOf(
  { pool: wanted, thick, encrypted }: VolumeParameters,
  volume: VolumeBody,
): string | undefined {
  if (wanted !== undefined && wanted !== volume.pool) return 'pool';
  if (thick !== (volume.thick ?? false)) return 'thin';
  if (encrypted !== undefined && encrypted !== volume.encrypted) return 'encrypted';
  return undefined;
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

function flag(key: string, value: string): boolean {
  if (value !== 'true' && value !== 'false') throw invalid('parameters', `true or false for ${key}`);
  return value === 'true';
}
