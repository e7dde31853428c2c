// node bench/cluster.mjs [--volumes 1000]: what a cluster of many volumes costs its control plane. A
// controller with the embedded store and agents, as processes that share all CPUs, and volumes that nobody
// writes to: how many are created and deleted in a second, what all of it takes while nothing happens, and
// how long a node and the controller take to be what they were, stopped in order and started again.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCount, readArguments, runMain } from './lib/arguments.mjs';
import { cpuDuring, footprint, startCluster, untilVolumes } from './lib/cluster.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import { table } from './lib/statistics.mjs';

const help = `Usage: node bench/cluster.mjs [--volumes 1000] [--nodes 3] [--in-flight 64] [--idle 10]
  [--data DIR] [--json]
Measures creations per second, an idle cluster, and restarts of a node and of the controller, with so many
volumes of 3 replicas (of as many as there are nodes, where there are fewer).`;
const options = {
  volumes: { type: 'string', default: '1000' },
  nodes: { type: 'string', default: '3' },
  'in-flight': { type: 'string', default: '64' },
  idle: { type: 'string', default: '10' },
  data: { type: 'string', default: tmpdir() },
  json: { type: 'boolean', default: false },
};
const volumeBytes = 1 << 20;
const replicasMax = 3;
const settleMs = 3_000;

async function main(words) {
  const { values } = readArguments(words, options);
  if (values.help) return console.log(help);
  const count = parseCount('volumes', values.volumes, 1, 10_000);
  const nodes = parseCount('nodes', values.nodes, 1, 16);
  const inFlight = parseCount('in-flight', values['in-flight'], 1, 1_000);
  const seconds = parseCount('idle', values.idle, 1, 3_600);
  const directory = mkdtempSync(join(values.data, 'ballast-cluster-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const found = environment();
  warnOfLoad('cluster', found);
  const started = await startCluster(directory, nodes, new AbortController().signal);
  const measured = await measure(started, {
    count,
    inFlight,
    seconds,
    replicas: Math.min(nodes, replicasMax),
  });
  await started.cluster.stopAll();
  const result = { schema: 'ballast-cluster/1', ...found, volumes: count, nodes, inFlight, ...measured };
  if (values.json) console.log(JSON.stringify(result, null, 1));
  else print(result);
}

async function measure(started, { count, inFlight, seconds, replicas }) {
  const { cluster, ask } = started;
  const names = Array.from({ length: count }, (_, index) => `pvc-${index}`);
  await sleep(settleMs);
  const empty = await footprint(started, seconds);
  const create = (name) => ask('POST', 'volumes', { name, sizeBytes: volumeBytes, replicas });
  const created = await timed(started, count, async () => {
    const answers = await each(names, inFlight, create);
    await untilVolumes(ask, count, isWhole);
    return answers;
  });
  await sleep(settleMs);
  const full = await footprint(started, seconds);
  const [{ name: node }] = cluster.nodes;
  const nodeRestart = await restartNode(started, node, count);
  const controllerRestart = await restartController(started, count, replicas);
  const deleted = await timed(started, count, async () => {
    const answers = await each(names, inFlight, (name) => ask('DELETE', `volumes/${name}`));
    await untilVolumes(ask, 0, () => true);
    return answers;
  });
  return { create: created, delete: deleted, empty, full, nodeRestart, controllerRestart };
}

/** cpuSeconds: of each process. A machine that others use, too, changes them less than the time. */
async function timed(started, count, work) {
  const beginMs = performance.now();
  let answerMs;
  const cpuSeconds = await cpuDuring(started, async () => {
    answerMs = await work();
  });
  const ms = performance.now() - beginMs;
  return { ms, perSecond: (1000 * count) / ms, answerMs, cpuSeconds };
}

/** A head serves it and all its replicas are in sync, as all their nodes say. */
const isWhole = ({ health, replicas }) =>
  health === 'healthy' && replicas.every(({ state }) => state === 'in-sync');

/** Calls for all names, so many at a time; milliseconds of one, { median, max }. */
async function each(names, inFlight, call) {
  const waiting = names.values();
  const answers = [];
  const worker = async () => {
    for (const name of waiting) {
      const askedMs = performance.now();
      await call(name);
      answers.push(performance.now() - askedMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  answers.sort((a, b) => a - b);
  return { median: answers[answers.length >> 1], max: answers.at(-1) };
}

/** stopMs: its heads go elsewhere; readyMs: since its start; servedMs: until all volumes are whole. */
async function restartNode({ cluster, ask }, node, count) {
  const beginMs = performance.now();
  await cluster.stop(node);
  const stopMs = performance.now() - beginMs;
  await cluster.startNode(node);
  const readyMs = performance.now() - beginMs - stopMs;
  await untilVolumes(ask, count, isWhole);
  return { stopMs, readyMs, servedMs: performance.now() - beginMs - stopMs };
}

/** wholeMs: until it knows that of all volumes again; leadsMs: until one more was made, and can be used. */
async function restartController({ cluster, ask }, count, replicas) {
  const beginMs = performance.now();
  await cluster.stop('controller');
  const stopMs = performance.now() - beginMs;
  await cluster.startController();
  const readyMs = performance.now() - beginMs - stopMs;
  await untilVolumes(ask, count, isWhole);
  const wholeMs = performance.now() - beginMs - stopMs;
  await ask('POST', 'volumes', { name: 'probe', sizeBytes: volumeBytes, replicas });
  const leadsMs = performance.now() - beginMs - stopMs;
  await ask('DELETE', 'volumes/probe');
  await untilVolumes(ask, count, isWhole);
  return { stopMs, readyMs, wholeMs, leadsMs };
}

function print({ volumes, create, delete: deleted, nodeRestart, controllerRestart, empty, full }) {
  const s = (ms) => `${(ms / 1000).toFixed(2)} s`;
  const rows = [
    ['created and served', s(create.ms), `${create.perSecond.toFixed(0)}/s`],
    ['an answer to a creation', s(create.answerMs.median), `at most ${s(create.answerMs.max)}`],
    ['deleted', s(deleted.ms), `${deleted.perSecond.toFixed(0)}/s`],
    ['a node stops', s(nodeRestart.stopMs), ''],
    ['is ready again', s(nodeRestart.readyMs), `all served ${s(nodeRestart.servedMs)}`],
    ['the controller stops', s(controllerRestart.stopMs), ''],
    ['knows all again', s(controllerRestart.wholeMs), `made one more ${s(controllerRestart.leadsMs)}`],
  ];
  console.log(table([`${volumes} volumes`, 'time', ''], rows));
  const mib = (bytes) => (bytes / 2 ** 20).toFixed(0);
  const idle = Object.keys(full).map((name) => [
    name,
    ...[create, deleted].map(({ cpuSeconds }) => ((1000 * cpuSeconds[name]) / volumes).toFixed(1)),
    ...[empty, full].flatMap((of) => [`${of[name].cpuPercent.toFixed(2)} %`, mib(of[name].residentBytes)]),
  ]);
  console.log(table(processHeads(volumes), idle));
}

const processHeads = (volumes) => [
  ...['process', 'CPU ms a creation', 'a deletion'],
  ...['idle, no volume: of a CPU', 'MiB', `idle, ${volumes}: of a CPU`, 'MiB'],
];

await runMain('cluster', main);
