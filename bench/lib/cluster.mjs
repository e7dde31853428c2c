// A cluster as bench/cluster.mjs measures it: the processes of drills, a controller with the embedded store
// and agents, and what its REST API says of all volumes together.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiledCode, program } from './ballast.mjs';
import { daemonApi } from './daemon-api.mjs';
import { cpuSeconds, residentBytes } from './processes.mjs';

const lookMs = 50;
const volumesTimeLimitMs = 300_000;

/** `names`: of the processes, the controller first. */
export async function startCluster(directory, nodes, signal) {
  const compiled = (path) => import(join(compiledCode(), path));
  const { DrillCluster } = await compiled('drills/cluster/drill-cluster.js');
  const { Supervisor } = await compiled('drills/processes/supervisor.js');
  const { clusterApi } = await compiled('cli/drill/cluster-api.js');
  const supervisor = new Supervisor();
  const options = {
    ...{ directory, nodes, supervisor, api: clusterApi, program: [program], store: 'level' },
    logDirectory: join(directory, 'logs'),
  };
  const cluster = await DrillCluster.start(options, signal);
  const ask = await daemonApi(join(directory, 'controller'));
  return { cluster, ask, names: ['controller', ...cluster.nodes.map(({ name }) => name)] };
}

/** CPU seconds of each process while `work` is under way, by its name. */
export async function cpuDuring({ cluster, names }, work) {
  const used = () => names.map((name) => cpuSeconds(cluster.pid(name)));
  const before = used();
  await work();
  return Object.fromEntries(used().map((after, index) => [names[index], after - before[index]]));
}

/** Of each process, over so long: { cpuPercent, residentBytes } by its name. */
export async function footprint(started, seconds) {
  const beginMs = performance.now();
  const used = await cpuDuring(started, () => sleep(seconds * 1000));
  const wallMs = performance.now() - beginMs;
  return Object.fromEntries(
    Object.entries(used).map(([name, spent]) => {
      const bytes = residentBytes(started.cluster.pid(name));
      return [name, { cpuPercent: (100_000 * spent) / wallMs, residentBytes: bytes }];
    }),
  );
}

/**
 * Until there are so many volumes and `isDone` says so of each; answers the milliseconds. A controller that
 * does not answer is asked again.
 */
export async function untilVolumes(ask, count, isDone) {
  const beginMs = performance.now();
  let left = 'no answer';
  while (performance.now() < beginMs + volumesTimeLimitMs) {
    try {
      const { volumes } = await ask('GET', 'volumes');
      const done = volumes.filter(isDone).length;
      if (volumes.length === count && done === count) return performance.now() - beginMs;
      left = `${done} of ${volumes.length} are as they should be`;
    } catch (error) {
      left = error.message;
    }
    await sleep(lookMs);
  }
  throw new Error(`${count} volumes were not there in time: ${left}`);
}
