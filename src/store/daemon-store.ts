// The store of a daemon: LevelDB in its state directory, or etcd. With etcd the LevelDB is open too. It is
// what keeps two daemons from using one state directory, and it remembers which etcd this daemon uses, as
// whom, and how far that was: one that went back is found at the start, and so is a start without `--store`.
//
// A prefix in etcd is of one daemon, as a state directory is: its records say what is on the disks of this
// machine. The first to use it writes its name there.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type Clock, systemClock } from '../base/clock.js';
import { StoreFailedError, StoreInDoubtError } from '../base/control-errors.js';
import { StateDirectoryError } from '../base/errors.js';
import { parseFields } from '../base/json-fields.js';
import type { Log } from '../base/log.js';
import { type EtcdSource, formatStoreSource, type StoreSource } from '../base/store-source.js';
import { accessOf, Marks, type UsedEtcd, usedEtcd } from './etcd-use.js';
import { openLevelStore } from './level/level-store.js';
import type { Store } from './types.js';

export interface DaemonStore {
  readonly store: Store;
  close(): Promise<void>;
}

/** In the LevelDB of a daemon that uses etcd. */
const etcdKey = 'store/etcd';
/** In etcd: whose the prefix is. */
export const ownerKey = 'owner';
/** etcd may start after this daemon does. */
const openMsMax = 30_000;

export async function openDaemonStore(
  directory: string,
  source: StoreSource,
  log: Log,
  clock: Clock = systemClock,
): Promise<DaemonStore> {
  const local = await openLevelStore(directory);
  try {
    const used = await usedEtcd(local, etcdKey, directory);
    if (source.kind === 'etcd') return await openEtcd(local, directory, source, used, log, clock);
    if (used === undefined) return { store: local, close: () => local.close() };
    throw new StateDirectoryError(
      directory,
      `its daemon keeps everything in ${used.where}; start it with that --store, or with another --data`,
    );
  } catch (error) {
    await local.close();
    throw error;
  }
}

async function openEtcd(
  local: Store,
  directory: string,
  source: EtcdSource,
  used: UsedEtcd | undefined,
  log: Log,
  clock: Clock,
): Promise<DaemonStore> {
  const { entries } = await local.list('');
  if (used === undefined && entries.length > 0) {
    throw new StateDirectoryError(
      directory,
      `has ${entries.length} entries of a daemon without --store, hidden by etcd; choose another --data`,
    );
  }
  if (used !== undefined && used.prefix !== source.prefix) {
    throw new StateDirectoryError(
      directory,
      `its daemon has the prefix '${used.prefix}' in etcd, not '${source.prefix}'; choose another --data`,
    );
  }
  const { openEtcdStore } = await import('./etcd/etcd-store.js');
  const { endpoints, prefix } = source;
  const access = await accessOf(source);
  const mark = used?.mark;
  const etcd = await openEtcdStore({
    endpoints,
    prefix,
    ...access,
    openMs: openMsMax,
    ...(mark && { mark }),
  });
  try {
    const owner = used?.owner ?? randomUUID();
    await own(etcd, source, owner, used !== undefined);
    const marks = new Marks(
      local,
      etcdKey,
      etcd,
      { where: formatStoreSource(source), owner, prefix },
      log,
      clock,
    );
    await marks.save();
    marks.begin();
    log.info({ room: 'store' }, `store: ${formatStoreSource(source)}`);
    const close = async () => {
      await marks.end();
      await etcd.close();
      await local.close();
    };
    return { store: etcd, close };
  } catch (error) {
    await etcd.close();
    throw error;
  }
}

/** Writes down whose the prefix is; refuses one of another daemon, and one that has lost it. */
async function own(etcd: Store, source: EtcdSource, uuid: string, known: boolean): Promise<void> {
  const where = formatStoreSource(source);
  if (!known) await claim(etcd, uuid);
  const found = await etcd.get(ownerKey);
  const owner = found === undefined ? undefined : parseFields(found.value);
  if (owner?.version === 1 && owner.uuid === uuid) return;
  if (found === undefined) {
    throw new StoreFailedError(
      'check etcd',
      `${where} has lost its content, or is not the one that was used`,
    );
  }
  const whose = typeof owner?.host === 'string' ? `on ${JSON.stringify(owner.host)}` : 'somewhere else';
  throw new StoreFailedError(
    'check etcd',
    `${where} is of another daemon, ${whose}; each needs a prefix of its own: etcd://HOST:PORT/PREFIX`,
  );
}

async function claim(etcd: Store, uuid: string): Promise<void> {
  const { entries } = await etcd.list('');
  const value = Buffer.from(JSON.stringify({ version: 1, uuid, host: hostname() }));
  if (entries.length > 0 && entries.every(({ key }) => key !== ownerKey)) {
    throw new StoreFailedError('check etcd', 'there are keys of others under the prefix; choose another one');
  }
  try {
    await etcd.commit([{ key: ownerKey, revision: 0n }], [{ type: 'put', key: ownerKey, value }]);
  } catch (error) {
    if (!(error instanceof StoreInDoubtError)) throw error; // else what is there says it
  }
}
