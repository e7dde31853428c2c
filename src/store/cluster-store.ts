// The store of a cluster, which all its programs share: etcd under a prefix of the cluster's own, or the
// LevelDB of the one controller, which others reach by src/store/remote. Beside it each program has a
// LevelDB of its own, that remembers which etcd it uses and how far that was.
import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.js';
import { StoreFailedError, StoreInDoubtError } from '../base/control-errors.js';
import { StateDirectoryError } from '../base/errors.js';
import { parseFields } from '../base/json-fields.js';
import type { Log } from '../base/log.js';
import { type EtcdSource, formatStoreSource } from '../base/store-source.js';
import { type DaemonStore, ownerKey } from './daemon-store.js';
import { accessOf, Marks, usedEtcd } from './etcd-use.js';
import { StoreWentBackError } from './lineage.js';
import type { Store } from './types.js';

/** In the LevelDB of a program of a cluster that uses etcd. */
const etcdKey = 'cluster/etcd';
/** etcd may start after this program does. */
const openMsMax = 30_000;

export interface ClusterStore extends DaemonStore {
  /** Why it is not the one that this program used before; absent: it is. */
  readonly wentBack?: string;
  /** It is the one from now on, after it went back. */
  accept(): Promise<void>;
}

/** `local`: the LevelDB of this program, which stays open after close(). */
export async function openClusterEtcd(
  local: Store,
  directory: string,
  source: EtcdSource,
  log: Log,
  clock: Clock = systemClock,
): Promise<ClusterStore> {
  const used = await usedEtcd(local, etcdKey, directory);
  const { endpoints, prefix } = source;
  if (used !== undefined && used.prefix !== prefix) {
    const reason = `is of the cluster '${used.prefix}' in etcd, not '${prefix}'; choose another --data`;
    throw new StateDirectoryError(directory, reason);
  }
  const { openEtcdStore } = await import('./etcd/etcd-store.js');
  const options = { endpoints, prefix, openMs: openMsMax, ...(await accessOf(source)) };
  const opened = await openEtcdStore({ ...options, ...(used && { mark: used.mark }) }).catch(
    (error: unknown) => {
      if (!(error instanceof StoreWentBackError)) throw error;
      return error;
    },
  );
  const etcd = opened instanceof StoreWentBackError ? await openEtcdStore(options) : opened;
  try {
    const where = formatStoreSource(source);
    const owner = await clusterOf(etcd, where);
    const isOther = used !== undefined && used.owner !== owner;
    const other = isOther ? `${where} is of another cluster than before` : undefined;
    const wentBack = opened instanceof StoreWentBackError ? opened.reason : other;
    const marks = new Marks(local, etcdKey, etcd, { where, owner, prefix }, log, clock);
    let isAccepted = false;
    const accept = async () => {
      if (isAccepted) return;
      isAccepted = true;
      await marks.save();
      marks.begin();
    };
    if (wentBack === undefined) await accept();
    log.info({ room: 'store' }, `store of the cluster: ${where}`);
    const close = async () => {
      if (isAccepted) await marks.end();
      await etcd.close();
    };
    return { store: etcd, close, accept, ...(wentBack !== undefined && { wentBack }) };
  } catch (error) {
    await etcd.close();
    throw error;
  }
}

/** UUID of the cluster that has the prefix; the first to come makes it. Refuses a prefix of anything else. */
async function clusterOf(etcd: Store, where: string): Promise<string> {
  const refuse = (reason: string) => new StoreFailedError('check etcd', `${where} ${reason}`);
  const value = Buffer.from(JSON.stringify({ version: 1, uuid: randomUUID(), kind: 'cluster' }));
  const known = await etcd.get(ownerKey);
  if (known === undefined) {
    const { entries } = await etcd.list('');
    if (entries.some(({ key }) => key !== ownerKey)) throw refuse('has keys of others under its prefix');
    try {
      await etcd.commit([{ key: ownerKey, revision: 0n }], [{ type: 'put', key: ownerKey, value }]);
    } catch (error) {
      if (!(error instanceof StoreInDoubtError)) throw error; // else what is there says it
    }
  }
  const owner = parseFields((await etcd.get(ownerKey))?.value ?? Buffer.from(''));
  if (owner?.version === 1 && owner.kind === 'cluster' && typeof owner.uuid === 'string') return owner.uuid;
  throw refuse('is of a daemon, not of a cluster; choose a prefix of its own: etcd://HOST:PORT/PREFIX');
}
