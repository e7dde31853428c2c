// Where what is remembered of the cluster's store is kept: not in that store.
import { readFile } from 'node:fs/promises';
import { writeFileAtomically } from '../../base/atomic-file.js';
import type { Store } from '../../store/types.js';
import { decodeMark, encodeMark, type LineageMark } from './lineage-record.js';

export interface Marks {
  /** Undefined: nothing was ever remembered. Fails where it cannot be read. */
  load(): Promise<LineageMark | undefined>;
  save(mark: LineageMark): Promise<void>;
}

const markKey = 'cluster/lineage-mark';

/** In the LevelDB of a node, or of a controller that uses etcd. */
export function marksInStore(local: Pick<Store, 'get' | 'commit'>): Marks {
  return {
    load: async () => {
      const found = await local.get(markKey);
      return found === undefined ? undefined : decodeMark(markKey, found.value);
    },
    save: async (mark) => {
      await local.commit([], [{ type: 'put', key: markKey, value: encodeMark(mark) }]);
    },
  };
}

/** Beside the LevelDB of a controller, which is the store itself. */
export function marksInFile(path: string): Marks {
  return {
    load: async () => {
      try {
        return decodeMark(path, await readFile(path));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    save: (mark) => writeFileAtomically(path, encodeMark(mark), 0o600),
  };
}
