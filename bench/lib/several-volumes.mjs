// Loads on several volumes at once from one process and one reactor: `ballast perf` for each would be several
// processes on the client's CPU, and what one volume's client waits for that CPU would look like its volume's
// latency. Started by perfTogether() of ballast.mjs as
//   several-volumes.mjs DIST JSON      { cpu?, seconds, jobs: [{ uri, rw, blockBytes, queueDepth }] }
// and prints an array with the result of each.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [compiled, json] = process.argv.slice(2);
const { cpu, seconds, jobs } = JSON.parse(json);
const { Engine } = await import(pathToFileURL(join(compiled, 'native/index.js')).href);
const engine = await Engine.start({ reactors: 1, ...(cpu !== undefined && { cpus: [cpu] }) });
try {
  const controllers = await Promise.all(
    jobs.map(({ uri, queueDepth }) => {
      const { host, port, nqn } = /^tcp:\/\/(?<host>.+):(?<port>\d+)\/(?<nqn>.+)$/.exec(uri).groups;
      return engine.connect({
        ...{ host, port: Number(port), nqn, ioQueues: 1 },
        queueEntries: Math.max(2, queueDepth),
      });
    }),
  );
  const results = await Promise.all(
    controllers.map((controller, i) =>
      controller.perf({
        rw: jobs[i].rw,
        blockSizeBytes: jobs[i].blockBytes,
        queueDepth: jobs[i].queueDepth,
        rwMixPercent: 70,
        seconds,
        seed: i + 1,
      }),
    ),
  );
  const failed = results.findIndex(({ errors }) => errors > 0);
  if (failed >= 0) throw new Error(`${results[failed].errors} I/Os failed: ${jobs[failed].uri}`);
  console.log(JSON.stringify(results));
  for (const controller of controllers) await controller.close();
} catch (error) {
  console.error(`several-volumes: ${error.message}`);
  process.exitCode = 1;
} finally {
  await engine.close();
}
