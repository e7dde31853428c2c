// `ballast perf` over more connections than the I/O queues of one controller: several controllers in one
// process, on the same reactors, run at once and are summed. Started by perfCommand() of ballast.mjs as
//   many-controllers.mjs DIST URI [options of ballast perf]
// and prints the part of the report of `ballast perf -o json` that benches use.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { sumReports } from './statistics.mjs';

const queuesMax = 125; // of one controller; 1,000 connections are eight of them

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
const { values, positionals } = parseArgs({
  options: {
    ...{ rw: text, bs: text, qd: text, rwmix: text, queues: text, time: text, reactors: text },
    ...{ 'header-digest': flag, 'data-digest': flag },
  },
  allowPositionals: true,
});
const [compiled, uri] = positionals;
const { Engine } = await import(pathToFileURL(join(compiled, 'native/index.js')).href);
const { host, port, nqn } = /^tcp:\/\/(?<host>.+):(?<port>\d+)\/(?<nqn>.+)$/.exec(uri).groups;

const cpus = values.reactors.includes(',')
  ? values.reactors.split(',').filter(Boolean).map(Number)
  : undefined;
const engine = await Engine.start({
  reactors: cpus?.length ?? Number(values.reactors),
  ...(cpus && { cpus }),
});
try {
  const controllers = [];
  for (let left = Number(values.queues); left > 0; left -= queuesMax) {
    const ioQueues = Math.min(left, queuesMax);
    const controller = await engine.connect({
      ...{ host, port: Number(port), nqn, ioQueues },
      queueEntries: Math.max(2, Number(values.qd)),
      headerDigest: values['header-digest'],
      dataDigest: values['data-digest'],
    });
    controllers.push(controller);
    const granted = controller.info.ioQueues;
    if (granted !== ioQueues)
      throw new Error(`the target grants ${granted} I/O queues instead of ${ioQueues}`);
  }
  const before = process.cpuUsage();
  const results = await Promise.all(
    controllers.map((controller, i) =>
      controller.perf({
        rw: values.rw,
        blockSizeBytes: Number(values.bs),
        queueDepth: Number(values.qd),
        rwMixPercent: Number(values.rwmix ?? 70),
        seconds: Number(values.time),
        seed: i + 1,
      }),
    ),
  );
  const cpu = process.cpuUsage(before);
  const errors = results.reduce((sum, result) => sum + result.errors, 0);
  if (errors > 0) throw new Error(`${errors} I/Os failed`);
  console.log(JSON.stringify(sumReports(results, (cpu.user + cpu.system) / 1e6)));
  for (const controller of controllers) await controller.close();
} catch (error) {
  console.error(`many-controllers: ${error.message}`);
  process.exitCode = 1;
} finally {
  await engine.close();
}
