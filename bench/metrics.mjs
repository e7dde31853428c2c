// node bench/metrics.mjs [--volumes 10000] [--rounds 7]: what asking for the counters of many volumes costs
// a daemon: how long its event loop is held at a time, by /metrics, /v1/stats and /v1/volumes, and its CPU
// time. Volumes are a pool's, each has been read, written and flushed, so that each has its histograms.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseCount, readArguments, runMain } from './lib/arguments.mjs';
import { compiledCode, repository, serve } from './lib/ballast.mjs';
import { daemonApi, untilApi } from './lib/daemon-api.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import { table } from './lib/statistics.mjs';

const help = `Usage: node bench/metrics.mjs [--volumes 10000] [--rounds 7] [--data DIR] [--json]
Measures how long /metrics, /v1/stats and /v1/volumes hold the event loop of a daemon with so many volumes.`;
const options = {
  volumes: { type: 'string', default: '10000' },
  rounds: { type: 'string', default: '7' },
  data: { type: 'string', default: tmpdir() },
  json: { type: 'boolean', default: false },
};
const paths = ['/metrics', '/v1/stats', '/v1/volumes', '/v1/volumes/pvc-0'];
const atOnce = 16;
const volumeBytes = 1 << 20;

async function main(words) {
  const { values } = readArguments(words, options);
  if (values.help) return console.log(help);
  const count = parseCount('volumes', values.volumes, 1, 100_000);
  const rounds = parseCount('rounds', values.rounds, 1, 1000);
  const directory = mkdtempSync(join(values.data, 'ballast-metrics-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const found = environment();
  warnOfLoad('metrics', found);
  const daemon = await start(directory);
  const ask = await daemonApi(directory);
  await untilApi(ask);
  await fill(ask, daemon, directory, count);
  const results = [];
  for (const path of paths) results.push(await measure(daemon, path, rounds));
  results.push(await measure(daemon, undefined, rounds));
  await daemon.stop();
  const result = { schema: 'ballast-metrics/1', ...found, volumes: count, results };
  if (values.json) console.log(JSON.stringify(result));
  else print(count, results);
}

async function start(directory) {
  const probe = pathToFileURL(join(repository, 'bench/lib/loop-delay.mjs')).href;
  const file = join(directory, 'loop-delay');
  const daemon = await serve({
    volumes: {},
    directory,
    environment: { NODE_OPTIONS: `--import ${probe}`, BALLAST_LOOP_DELAY: file },
  });
  const lines = () => readFileSync(file, { encoding: 'utf8', flag: 'a+' }).split('\n').slice(0, -1);
  /** Of the time since it was asked last. */
  const loopDelay = async () => {
    const before = lines().length;
    process.kill(daemon.pid, 'SIGUSR2');
    while (lines().length === before) await sleep(5);
    return JSON.parse(lines().at(-1));
  };
  return { ...daemon, directory, loopDelay };
}

async function fill(ask, { port }, directory, count) {
  await ask('POST', 'pools', {
    name: 'many',
    devices: [{ path: join(directory, 'many.img'), sizeBytes: 16 * 2 ** 30 }],
  });
  const { Engine } = await import(join(compiledCode(), 'native/index.js'));
  const client = await Engine.start({ reactors: 1 });
  const names = Array.from({ length: count }, (_, index) => `pvc-${index}`).values();
  const block = new Uint8Array(4096);
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const name of names) {
        const { nqn } = await ask('POST', 'volumes', { name, sizeBytes: volumeBytes });
        const host = await client.connect({ host: '127.0.0.1', port, nqn, ioQueues: 1 });
        const [namespace] = host.namespaces;
        await namespace.write(0n, block);
        await namespace.read(0n, 1);
        await namespace.flush();
        await host.close();
      }
    }),
  );
  await client.close();
}

/** Without a path: of a daemon that nobody asks. */
async function measure(daemon, path, rounds) {
  const runs = [];
  let bytes = 0;
  for (let round = 0; round < rounds; ++round) {
    await daemon.loopDelay();
    const begin = performance.now();
    if (path === undefined) await sleep(500);
    else bytes = await get(join(daemon.directory, 'api.sock'), path);
    const ms = performance.now() - begin;
    runs.push({ ms, ...(await daemon.loopDelay()) });
  }
  return { path: path ?? 'nothing asked', bytes, runs };
}

function get(socketPath, path) {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path, agent: false }, (response) => {
      let bytes = 0;
      response.on('data', (part) => {
        bytes += part.length;
      });
      response.on('error', reject).on('end', () => {
        if (response.statusCode === 200 && response.complete) resolve(bytes);
        else reject(new Error(`${path}: ${response.statusCode}`));
      });
    });
    asking.on('error', reject).end();
  });
}

function print(count, results) {
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  const rows = results.map(({ path, bytes, runs }) => {
    const of = (key) => runs.map((run) => run[key]);
    const held = of('maxMs');
    return [
      path,
      (bytes / 2 ** 20).toFixed(1),
      ...[median(held), Math.max(...held), median(of('p99Ms')), median(of('ms')), median(of('cpuMs'))].map(
        (ms) => ms.toFixed(1),
      ),
    ];
  });
  const heads = ['MiB', 'loop held at most, ms', 'in the worst round', 'p99', 'answered in, ms', 'CPU, ms'];
  console.log(table([`${count} volumes`, ...heads], rows));
}

await runMain('metrics', main);
