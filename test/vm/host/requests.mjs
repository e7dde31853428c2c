// Answers what the guest asks of the host (guest/target-host.sh): a request is a file NAME.ask in the job's
// "ask" directory, a verb and its arguments one a line; the answer is NAME.answer, "ok TEXT" or "error TEXT".

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replayWrites } from './write-log.mjs';

const pollIntervalMs = 20;

/** Of the disks that the guest has for pools. */
export const diskBytes = 512 << 20;

/**
 * Serves requests with the methods of `target` and `cluster` until the returned function is called. `disks`:
 * { disk, log }, paths of what the guest has as disks, if it has any.
 */
export function answerRequests(jobDirectory, target, cluster, disks) {
  const directory = join(jobDirectory, 'ask');
  mkdirSync(directory, { recursive: true });
  const verbs = {
    start: async (volumes) => String(await target.start(volumes)),
    restart: () => target.restart(),
    stop: () => target.stop(),
    kill: () => target.kill(),
    freeze: () => target.freeze(),
    thaw: () => target.thaw(),
    discard: async () => {
      await target.discard();
      await cluster.discard();
    },
    ballast: (argv) => target.ballast(argv),
    'cluster-start': ([volume, mib]) => cluster.start(volume, mib),
    'cluster-stop': () => cluster.stop(),
    'cluster-head': () => cluster.head(),
    'cluster-kill': ([node]) => cluster.kill(node),
    'cluster-start-node': ([node]) => cluster.startNode(node),
    'cluster-whole': () => cluster.whole(),
    'open-disk': async () => String(await target.openPool(disks.disk)),
    'open-replayed': async ([from, to]) => {
      const image = join(jobDirectory, 'replayed.raw');
      rmSync(image, { force: true });
      const where = replayWrites(disks.log, image, diskBytes, from, to);
      return `${await target.openPool(image)} ${where}`;
    },
  };

  async function answer(name) {
    const [verb, ...args] = readFileSync(join(directory, name), 'utf8').trimEnd().split('\n');
    rmSync(join(directory, name));
    let text;
    try {
      if (!Object.hasOwn(verbs, verb)) throw new Error(`no such request: ${verb}`);
      text = `ok ${(await verbs[verb](args)) ?? ''}`;
    } catch (error) {
      text = `error ${error.message}`;
    }
    const path = join(directory, name.replace(/\.ask$/, '.answer'));
    writeFileSync(`${path}.new`, `${text}\n`);
    renameSync(`${path}.new`, path); // the guest must not read half of it
  }

  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      for (const name of readdirSync(directory)) if (name.endsWith('.ask')) await answer(name);
      await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
    }
  })();
  return async () => {
    stopped = true;
    await loop;
  };
}
