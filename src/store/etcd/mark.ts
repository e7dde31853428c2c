// Which etcd answered, and how far it is.
import { StoreFailedError } from '../../base/control-errors.js';
import type { StoreMark } from '../lineage.js';
import type { ResponseHeader } from './messages.js';

export function markOf(header: ResponseHeader | null): StoreMark {
  if (header === null) throw new StoreFailedError('check etcd', 'an answer has no header');
  return { identity: BigInt(header.clusterId).toString(16), revision: BigInt(header.revision) };
}
