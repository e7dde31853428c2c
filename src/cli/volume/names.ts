// VOLUME/SNAPSHOT, as commands take and print it: no name has a slash.
import { InvalidArgumentError } from '../../base/errors.js';
import type { SnapshotName } from '../../client/api-client.js';

export function parseSnapshotName(text: string): SnapshotName {
  const [volume = '', name = '', ...more] = text.split('/');
  if (volume === '' || name === '' || more.length > 0) {
    throw new InvalidArgumentError('snapshot', `VOLUME/SNAPSHOT; got '${text}'`);
  }
  return { volume, name };
}
