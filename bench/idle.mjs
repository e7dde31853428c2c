// node bench/idle.mjs [--connections 100] [--seconds 20] [--keep-alive 5]: what an idle target costs. Starts
// `ballast serve`, connects hosts that send nothing but a Keep Alive every --keep-alive seconds (0: not even
// that), and reads the target's CPU time and memory from /proc. Prints a table, or JSON with --json.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { optionsOrExit } from './lib/arguments.mjs';
import { nqnOf, serve } from './lib/ballast.mjs';
import { environment } from './lib/environment.mjs';
import { cpuSeconds, residentBytes, threads } from './lib/processes.mjs';
import { connectQuietHost } from './lib/quiet-host.mjs';
import { table } from './lib/statistics.mjs';

const settleMs = 2000;

const help = `Usage: node bench/idle.mjs [--connections 100] [--seconds 20] [--keep-alive 5] [--json]
Measures what a target takes that serves idle connections; --keep-alive 0: they send nothing at all.`;
const values = optionsOrExit(
  'idle',
  {
    connections: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '20' },
    'keep-alive': { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
  help,
);
const connections = Number(values.connections);
const seconds = Number(values.seconds);
const keepAliveSeconds = Number(values['keep-alive']);
if (!(connections >= 0 && seconds > 0 && keepAliveSeconds >= 0)) {
  console.error('idle: --connections and --keep-alive take numbers from 0, --seconds a number above 0');
  process.exit(2);
}

/** Share of one CPU that the process and its threads used over `seconds`. */
async function cpuShare(pid) {
  const before = {
    at: performance.now(),
    all: cpuSeconds(pid),
    threads: new Map(threads(pid).map((t) => [t.id, t.cpuSeconds])),
  };
  await sleep(seconds * 1000);
  const wall = (performance.now() - before.at) / 1000;
  const byThread = threads(pid)
    .map(({ id, name, cpuSeconds: used }) => ({
      name,
      percent: (100 * (used - (before.threads.get(id) ?? 0))) / wall,
    }))
    .filter(({ percent }) => percent > 0);
  return { percent: (100 * (cpuSeconds(pid) - before.all)) / wall, byThread };
}

const directory = mkdtempSync(join(tmpdir(), 'ballast-idle-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const target = await serve({ volumes: { idle: 'mem:64MiB' }, directory });
await sleep(settleMs);
const alone = { residentBytes: residentBytes(target.pid), ...(await cpuShare(target.pid)) };

const hosts = [];
for (let i = 0; i < connections; ++i) {
  hosts.push(await connectQuietHost(target.port, nqnOf('idle'), 3 * keepAliveSeconds * 1000));
}
let over = false;
// Spread over the interval, as hosts that connected at different times would be.
const timers = hosts.map((host, i) => {
  if (keepAliveSeconds === 0) return undefined;
  const beat = () =>
    host.keepAlive().catch((error) => {
      if (over) return; // closed by us before the answer came
      console.error(`idle: ${error.message}`);
      process.exit(1);
    });
  const delay = (i / connections) * keepAliveSeconds * 1000;
  return setTimeout(() => {
    beat();
    timers.push(setInterval(beat, keepAliveSeconds * 1000));
  }, delay);
});
await sleep(settleMs);
const connected = { residentBytes: residentBytes(target.pid), ...(await cpuShare(target.pid)) };
over = true;
for (const timer of timers) clearTimeout(timer);
for (const host of hosts) host.close();
await target.stop();

const result = {
  schema: 'ballast-idle/1',
  ...environment(),
  seconds,
  connections,
  keepAliveSeconds,
  alone,
  connected,
  bytesPerConnection: connections === 0 ? 0 : (connected.residentBytes - alone.residentBytes) / connections,
};
if (values.json) {
  console.log(JSON.stringify(result, null, 1));
} else {
  const mib = (bytes) => (bytes / 2 ** 20).toFixed(1);
  const who = (threadList) =>
    threadList.map(({ name, percent }) => `${name} ${percent.toFixed(2)} %`).join(', ');
  const row = (title, { percent, residentBytes: bytes, byThread }) => [
    title,
    `${percent.toFixed(2)} %`,
    mib(bytes),
    who(byThread),
  ];
  const rows = [row('no connection', alone), row(`${connections} connections`, connected)];
  console.log(table(['target is idle', 'of a CPU', 'MiB resident', 'by thread'], rows));
  const each = result.bytesPerConnection / 1024;
  // The JavaScript heap shrinks and grows by megabytes on its own.
  console.log(each > 0 ? `${each.toFixed(1)} KiB for each connection` : 'memory of a connection: not seen');
}
