// A disk that fails writes: the kernel refuses them, from outside of the process.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DrillUnavailableError } from '../../base/drill-errors.js';
import type { DrillDefinition } from '../fault.js';
import { nodeBesideHead } from './nodes.js';

const run = promisify(execFile);
/** Below it a pool has what it needs to be opened; what its agent writes beside it is smaller. */
const writableBytes = 1 << 20;
const name = 'disk-error';

export const diskError: DrillDefinition = {
  name,
  what:
    "Writes of a node's agent behind the first MiB of its disk fail: by RLIMIT_FSIZE, which prlimit(1) " +
    'sets from outside, so the kernel refuses them with EFBIG. Odd rounds: of a node that is not head; ' +
    'even ones: of the head. Later the limit is taken away and the agent started again. Reads do not fail.',
  gapTargetMs: 5_000,
  unavailable: async () => {
    const missing = () => 'it needs prlimit(1) of util-linux';
    return run('prlimit', ['--version']).then(() => undefined, missing);
  },
  fault: (scene) => {
    const { cluster, timeline, before, round } = scene;
    const node = round % 2 === 1 ? nodeBesideHead(scene) : before.head;
    return {
      async inject() {
        timeline.add('fault', `writes of ${node} fail`);
        await limit(cluster.pid(node), `${writableBytes}:unlimited`);
      },
      async heal() {
        timeline.add('heal', `${node} can write again, and is started again`);
        await limit(cluster.pid(node), 'unlimited:unlimited');
        // Not in order: a pool whose disk failed has nothing to save.
        await cluster.kill(node);
        await cluster.startNode(node);
      },
    };
  },
};

async function limit(pid: number, softAndHard: string): Promise<void> {
  try {
    await run('prlimit', ['--pid', `${pid}`, `--fsize=${softAndHard}`]);
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string };
    throw new DrillUnavailableError(name, `prlimit: ${stderr.trim()}`);
  }
}
