// bin/ballast as the benches use it: a target pinned to some CPUs, and `ballast perf` pinned to others.

import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild, startChild, untilReady } from './child.mjs';
import { allowedCpus } from './processes.mjs';

export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const program = process.env.BALLAST_PROGRAM ?? join(repository, 'bin/ballast');
/** Compiled JavaScript of the program that is measured, for what its command line does not offer. */
export const compiledCode = () => join(dirname(dirname(realpathSync(program))), 'dist');
const readyTimeLimitMs = 60_000;
const queuesOfOneController = 128;

/**
 * Which CPUs are the target's, one for each reactor, and which the client's; undefined: not pinned. `shared`
 * where there are too few, so that they disturb each other.
 */
export function splitCpus(allowed, reactors = 1) {
  if (allowed.length < 2) return { target: undefined, client: undefined, shared: true };
  if (allowed.length > reactors)
    return {
      target: allowed.slice(0, reactors),
      client: allowed.slice(reactors, 2 * reactors),
      shared: false,
    };
  return {
    target: allowed.length === reactors ? allowed : undefined,
    client: [allowed.at(-1)],
    shared: true,
  };
}

export const chooseCpus = (reactors) => splitCpus(allowedCpus(), reactors);

// The whole process is pinned, not only its reactors: JavaScript and helper threads must not take the other
// side's CPU.
export function pinned(cpus, command) {
  return cpus === undefined ? command : ['taskset', '-c', cpus.join(','), ...command];
}
const reactorList = (cpus) => (cpus.length === 1 ? `${cpus[0]},` : cpus.join(','));

export function nqnOf(volume) {
  return `nqn.2026-11.dev.ballast:bench:${volume}`;
}

/**
 * volumes: { name: SPEC }; reactors without cpus: that many, not pinned; options: further ones; port: to be
 * where one was before. Resolves when it is ready, with
 * { pid, pids(), port, command, startMs, ended(), uri(name), stdout(), stop(), kill() }.
 */
export async function serve({
  volumes = {},
  cpus,
  reactors = 1,
  directory,
  spinUs,
  options = [],
  port: wantedPort = 0,
  environment = {},
}) {
  const command = pinned(cpus, [
    ...[program, 'serve', '--data', directory, '--listen', `tcp://127.0.0.1:${wantedPort}`],
    ...['--reactors', cpus === undefined ? String(reactors) : reactorList(cpus)],
    ...(spinUs === undefined ? [] : ['--spin-us', spinUs]),
    ...Object.entries(volumes).flatMap(([name, spec]) => ['--volume', `${name}=${spec},nqn=${nqnOf(name)}`]),
    ...options,
  ]);
  const begin = performance.now();
  // Several may run at once: none takes the port of the REST API. A program without one does not mind.
  const child = startChild(command, { BALLAST_API_LISTEN: 'off', ...environment });
  let port;
  const outcome = await untilReady(child, readyTimeLimitMs, (line) => {
    port = /^listening on tcp:\/\/127\.0\.0\.1:(\d+)$/.exec(line)?.[1] ?? port;
  });
  const startMs = performance.now() - begin;
  if (outcome !== 'ready' || port === undefined) {
    await child.stop();
    throw new Error(`ballast serve: has to become ready, but ${outcome}\n${child.output()}`);
  }
  return {
    pid: child.pid,
    pids: child.pids,
    port: Number(port),
    command,
    startMs,
    ended: child.end,
    uri: (name) => `tcp://127.0.0.1:${port}/${nqnOf(name)}`,
    stdout: child.stdout,
    /** As a crash does it: SIGKILL, which is no error. */
    async kill() {
      child.signal('SIGKILL');
      await child.ended;
      await child.stop();
    },
    async stop() {
      await child.stop();
      if (child.end() !== 0) throw new Error(`ballast serve ended with ${child.end()}\n${child.output()}`);
    },
  };
}

const manyControllers = join(dirname(fileURLToPath(import.meta.url)), 'many-controllers.mjs');

/**
 * job: see matrix.mjs; of its axes that are missing, one connection and no digests are meant. The client has
 * one reactor for each of its CPUs. More connections than a controller has are made by several.
 */
export function perfCommand({ uri, job, seconds, cpus }) {
  const { rw, blockBytes, queueDepth, rwMix = 70, connections = 1, digests = 'none' } = job;
  const options = [
    ...['--rw', rw, '--bs', String(blockBytes), '--qd', String(queueDepth / connections)],
    ...(rw === 'randrw' ? ['--rwmix', String(rwMix)] : []),
    ...['--queues', String(connections), '--time', String(seconds)],
    ...['--reactors', cpus === undefined ? '1' : reactorList(cpus)],
    ...(digests === 'header' || digests === 'both' ? ['--header-digest'] : []),
    ...(digests === 'data' || digests === 'both' ? ['--data-digest'] : []),
  ];
  return pinned(
    cpus,
    connections > queuesOfOneController
      ? [process.execPath, manyControllers, compiledCode(), uri, ...options]
      : [program, 'perf', uri, ...options, '-o', 'json'],
  );
}

const severalVolumes = join(dirname(fileURLToPath(import.meta.url)), 'several-volumes.mjs');

/** Loads on several volumes at once by one client: jobs as of perf(), each with its uri. All results. */
export async function perfTogether({ jobs, seconds, cpus, stateDirectory }) {
  const words = JSON.stringify({ seconds, jobs, ...(cpus !== undefined && { cpu: cpus[0] }) });
  const command = pinned(cpus, [process.execPath, severalVolumes, compiledCode(), words]);
  const environment = stateDirectory && { BALLAST_DATA: stateDirectory };
  return JSON.parse((await runChild(command, (seconds + 60) * 1000, environment)).stdout);
}

/** Runs it and resolves with what it reports. */
export async function perf({ stateDirectory, ...options }) {
  const environment = stateDirectory && { BALLAST_DATA: stateDirectory };
  const timeLimitMs = (options.seconds + 60) * 1000;
  return JSON.parse((await runChild(perfCommand(options), timeLimitMs, environment)).stdout);
}
