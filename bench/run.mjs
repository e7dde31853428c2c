// npm run bench: `bin/ballast serve` under load, beside the limit that bare loopback TCP sets and beside a
// peer when one is given. --help names the options, README.md says how to read it and what the file holds.
// Here is only the order of things; each step is a file of lib/.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runMain, UsageError } from './lib/arguments.mjs';
import { chooseCpus, perfCommand, repository, serve } from './lib/ballast.mjs';
import { givenClient, ownClient } from './lib/clients.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import { measureFootprint } from './lib/footprint.mjs';
import { rawLoopbackCommand } from './lib/limit.mjs';
import { jobTitle } from './lib/matrix.mjs';
import { estimateSeconds, limitSeconds, measureAll } from './lib/measure.mjs';
import { help, readOptions } from './lib/options.mjs';
import { startPeer } from './lib/peers.mjs';
import { buildProbes } from './lib/probes.mjs';
import { makeDocument } from './lib/report.mjs';
import { checkOut, writeResult } from './lib/results.mjs';
import { Stage } from './lib/stage.mjs';
import { clientTable, footprintTable, resultTable } from './lib/tables.mjs';
import { fill, volumesFor } from './lib/volumes.mjs';

const say = (line) => console.error(`bench: ${line}`);
/** A command line without this checkout's place in it. */
const asTyped = (words) => words.map((word) => word.replaceAll(`${repository}/`, '')).join(' ');

/** As they are started for the first job. */
function commandsOf(words, { jobs: [job], seconds, limit, peer, client }, target, stateDirectory) {
  const cpus = chooseCpus(job.reactors);
  return {
    bench: asTyped(['node', 'bench/run.mjs', ...words]),
    target: asTyped(target.command).replaceAll(stateDirectory, 'DIRECTORY'),
    client: asTyped(perfCommand({ uri: 'URI', job, seconds, cpus: cpus.client })),
    ...(limit && { limit: asTyped(rawLoopbackCommand(job, limitSeconds(seconds), cpus)) }),
    ...(peer && { peer: peer.command, peerUris: peer.uris.map(({ device, uri }) => `${device}=${uri}`) }),
    ...(client && { givenClient: client }),
  };
}

/** What no client can express is left out, aloud. */
function leaveOut(jobs, clients) {
  for (const client of clients) {
    const lacking = jobs.filter((job) => client.lacks(job) !== undefined);
    const names = new Set(lacking.map(client.lacks));
    if (lacking.length > 0)
      say(`${client.name}: ${lacking.length} jobs left out, its command has no ${[...names].join(', ')}`);
  }
  const possible = jobs.filter((job) => clients.some((client) => client.lacks(job) === undefined));
  if (possible.length === 0) throw new UsageError('--client: its command can do none of the jobs');
  return possible;
}

const devicesOf = (jobs, reactors) => [
  ...new Set(jobs.filter((job) => job.reactors === reactors).map(({ device }) => device)),
];

/** A target for each number of reactors, with the devices that its jobs need. */
async function startOurs({ jobs, spinUs }, directory) {
  const targets = new Map();
  for (const reactors of new Set(jobs.map((job) => job.reactors))) {
    const own = join(directory, `reactors-${reactors}`);
    mkdirSync(own);
    const volumes = await volumesFor(devicesOf(jobs, reactors), own);
    const cpus = chooseCpus(reactors).target;
    targets.set(reactors, await serve({ volumes, cpus, reactors, directory: own, spinUs }));
  }
  return targets;
}

/** Each device of each target is filled, or warmed up where there is nothing to fill. */
async function fillAll({ jobs, ours, peer, stage, stateDirectory }) {
  const { client } = chooseCpus(1);
  for (const [reactors, target] of ours) {
    await stage.only(target);
    for (const device of devicesOf(jobs, reactors))
      await fill(device, target.uri(device), client, stateDirectory);
  }
  for (const device of new Set(jobs.map((job) => job.device))) {
    if (!peer?.has(device)) continue;
    await stage.only(peer);
    await fill(device, peer.uri(device), client, stateDirectory);
  }
}

async function main(words) {
  const options = readOptions(words);
  if (options.help) return console.log(help);
  const given = options.client === undefined ? [] : [givenClient(options.client)];
  options.jobs = leaveOut(options.jobs, options.clientOnly ? given : [ownClient(), ...given]);
  const minutes = estimateSeconds({ ...options, clients: given.length + (options.clientOnly ? 0 : 1) }) / 60;
  if (options.list) {
    for (const job of options.jobs) console.log(`${jobTitle(job)} QD ${job.queueDepth}`);
    return console.log(`${options.jobs.length} jobs, about ${Math.ceil(minutes)} min`);
  }
  checkOut(options.out);
  const about = environment();
  warnOfLoad('bench', about);
  const cpusOf = Object.fromEntries(options.jobs.map(({ reactors }) => [reactors, chooseCpus(reactors)]));
  for (const [reactors, { shared }] of Object.entries(cpusOf))
    if (shared) say(`too few CPUs for ${reactors} reactors and a client: they disturb each other`);
  say(`${options.jobs.length} jobs, about ${Math.ceil(minutes)} min`);
  buildProbes();

  // On the repository's disk, which is where a user's ./var is; /tmp may be memory.
  mkdirSync(join(repository, 'build'), { recursive: true });
  const directory = mkdtempSync(join(repository, 'build/bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const stateDirectory = join(directory, 'client');
  const clients = options.clientOnly ? given : [ownClient(stateDirectory), ...given];
  const peer = options.peer && (await startPeer({ ...options.peer, cpus: chooseCpus(1).target }));
  const ours = await startOurs(options, directory);
  const stage = new Stage([...ours.values(), ...(peer ? [peer] : [])]);

  await fillAll({ jobs: options.jobs, ours, peer, stage, stateDirectory });
  const measured = await measureAll({
    ...options,
    ...{ clients, peer, stage, say },
    ours: ({ reactors }) => ours.get(reactors),
    cpusFor: ({ reactors }) => chooseCpus(reactors),
  });
  let footprint;
  if (options.footprint) {
    await stage.only(undefined);
    const peerDevice = peer && options.peer.uris[0].device;
    const { runs, spinUs } = options;
    const wake = (target) => stage.only(target);
    footprint = await measureFootprint({
      runs,
      cpus: chooseCpus(1),
      directory,
      spinUs,
      peer,
      peerDevice,
      wake,
    });
  }
  const commands = commandsOf(words, options, ours.values().next().value, directory);
  stage.release();
  for (const target of [...ours.values(), ...(peer ? [peer] : [])]) await target.stop();

  const { name: set, seconds, runs } = options;
  const head = { set, seconds, runs, cpus: cpusOf, commands };
  const document = makeDocument({ about, head, measured, footprint });
  const paths = writeResult(document, options.out);
  const tables = [resultTable(document), clientTable(document), footprintTable(document)];
  console.log(tables.filter((text) => text !== '').join('\n\n'));
  for (const text of document.missing) console.log(`not measured: ${text}`);
  for (const path of paths) console.log(`written to ${path}`);
  return document.missing.length > 0 ? 1 : 0;
}

await runMain('bench', main);
