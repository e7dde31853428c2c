// Loaded into a daemon by `--import`: how long its event loop was held. At SIGUSR2 it appends a line of
// JSON to the file $BALLAST_LOOP_DELAY, about the time since the last one, and begins anew. Used by
// ../metrics.mjs.

import { appendFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const resolutionMs = 1;
const file = process.env.BALLAST_LOOP_DELAY;
if (file === undefined) throw new Error('loop-delay.mjs: BALLAST_LOOP_DELAY names no file');

const delay = monitorEventLoopDelay({ resolution: resolutionMs });
delay.enable();
let cpu = process.cpuUsage();
process.on('SIGUSR2', () => {
  const { user, system } = process.cpuUsage(cpu);
  const toMs = (ns) => ns / 1e6 - resolutionMs; // the timer's own interval is part of what it counts
  const line = { maxMs: toMs(delay.max), p99Ms: toMs(delay.percentile(99)), cpuMs: (user + system) / 1000 };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
  delay.reset();
  cpu = process.cpuUsage();
});
