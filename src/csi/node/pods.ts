// Which pod uses which volume, told to the daemon for reports. Best effort: in the background, never a reason
// for a call to fail; told again from the records when this process starts.
import { hostname } from 'node:os';
import { KeyedLock } from '../../base/keyed-lock.js';
import type { Log } from '../../base/log.js';
import type { Storage } from '../storage.js';
import type { PodName, Publication, VolumeRecords } from './records.js';

type Texts = Readonly<Record<string, string>>;

const outstandingMax = 256;
const uidPattern = /^[A-Za-z0-9._-]{1,128}$/;

/** What kubelet tells of it, where CSIDriver says podInfoOnMount. */
export function podOf(volumeContext: Texts): PodName | undefined {
  const uid = volumeContext['csi.storage.k8s.io/pod.uid'] ?? '';
  if (!uidPattern.test(uid)) return undefined;
  return {
    uid,
    namespace: volumeContext['csi.storage.k8s.io/pod.namespace'] ?? '',
    name: volumeContext['csi.storage.k8s.io/pod.name'] ?? '',
  };
}

export class PodReports {
  readonly #storage: Pick<Storage, 'announcePod' | 'withdrawPod'>;
  readonly #log: Log;
  readonly #locks = new KeyedLock();
  readonly #running = new Set<Promise<void>>();

  constructor(storage: Pick<Storage, 'announcePod' | 'withdrawPod'>, log: Log) {
    this.#storage = storage;
    this.#log = log;
  }

  announce(uuid: string, { pod }: Publication): void {
    if (pod === undefined) return;
    const { uid, namespace, name } = pod;
    const body = { node: hostname(), namespace, name };
    this.#tell(uuid, uid, () => this.#storage.announcePod(uuid, uid, body));
  }

  withdraw(uuid: string, { pod }: Publication): void {
    if (pod !== undefined) this.#tell(uuid, pod.uid, () => this.#storage.withdrawPod(uuid, pod.uid));
  }

  async announceAll(records: VolumeRecords): Promise<void> {
    for (const { uuid, publications } of await records.list()) {
      if (uuid === undefined) continue;
      for (const publication of publications) this.announce(uuid, publication);
      await this.idle(); // as slow as the daemon
    }
  }

  /** When all that was begun has ended. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #tell(uuid: string, uid: string, work: () => Promise<void>): void {
    if (this.#running.size >= outstandingMax) {
      this.#log.warn({ room: 'csi' }, 'the daemon is slow: a pod is not reported');
      return;
    }
    const running = this.#locks
      .exclusive(`${uuid} ${uid}`, work)
      .catch((error: Error) =>
        this.#log.debug({ room: 'csi', reason: error.message }, 'a pod is not reported'),
      )
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}
