// bin/ballast as the benches use it: a target pinned to one CPU, and `ballast perf` pinned to another.

import { execFile, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { allowedCpus } from './processes.mjs';

export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const program = process.env.BALLAST_PROGRAM ?? join(repository, 'bin/ballast');
const readyTimeLimitMs = 60_000;

/** The CPU of the target and that of the client; none to pin to when there is but one. */
export function chooseCpus() {
  const cpus = allowedCpus();
  return cpus.length < 2 ? { target: undefined, client: undefined } : { target: cpus[0], client: cpus[1] };
}

// The whole process is pinned, not only its reactor: JavaScript and helper threads must not take the other
// side's CPU.
function pinned(cpu, command) {
  return cpu === undefined ? command : ['taskset', '-c', String(cpu), ...command];
}
const reactors = (cpu) => (cpu === undefined ? '1' : `${cpu},`);

export function nqnOf(volume) {
  return `nqn.2026-11.dev.ballast:bench:${volume}`;
}

/** volumes: { name: SPEC }. Resolves when it is ready, with { pid, port, command, uri(name), stop() }. */
export async function serve({ volumes, cpu, directory, spinUs, environment = {} }) {
  const command = pinned(cpu, [
    ...[program, 'serve', '--data', directory, '--listen', 'tcp://127.0.0.1:0', '--reactors', reactors(cpu)],
    ...(spinUs === undefined ? [] : ['--spin-us', spinUs]),
    ...Object.entries(volumes).flatMap(([name, spec]) => ['--volume', `${name}=${spec},nqn=${nqnOf(name)}`]),
  ]);
  const child = spawn(command[0], command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let complaints = '';
  child.stderr.on('data', (data) => {
    complaints = (complaints + data).slice(-4000);
  });
  const ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? code));
    child.on('error', (error) => resolve(error.message));
  });
  const killAtExit = () => child.kill('SIGKILL');
  process.on('exit', killAtExit);
  let port;
  let timer;
  const outcome = await Promise.race([
    ended,
    new Promise((resolve) => {
      timer = setTimeout(resolve, readyTimeLimitMs, 'not ready in time');
    }),
    new Promise((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        port = /^listening on tcp:\/\/127\.0\.0\.1:(\d+)$/.exec(line.trim())?.[1] ?? port;
        if (line.trim() === 'ready') resolve('ready');
      });
    }),
  ]);
  clearTimeout(timer);
  if (outcome !== 'ready' || port === undefined) {
    child.kill('SIGKILL');
    throw new Error(`ballast serve: ${outcome}\n${complaints}`);
  }
  return {
    pid: child.pid,
    port: Number(port),
    command,
    uri: (name) => `tcp://127.0.0.1:${port}/${nqnOf(name)}`,
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(killAtExit, 20_000);
      const end = await ended;
      clearTimeout(late);
      process.off('exit', killAtExit);
      if (end !== 0) throw new Error(`ballast serve ended with ${end}\n${complaints}`);
    },
  };
}

export function perfCommand({ uri, rw, bs, qd, seconds, cpu }) {
  return pinned(cpu, [
    ...[program, 'perf', uri, '--rw', rw, '--bs', String(bs), '--qd', String(qd), '--time', String(seconds)],
    ...['--reactors', reactors(cpu), '-o', 'json'],
  ]);
}

/** Runs `ballast perf` and resolves with what it reports. */
export async function perf(options) {
  const [file, ...args] = perfCommand(options);
  const { stdout } = await promisify(execFile)(file, args, { maxBuffer: 1 << 24 });
  return JSON.parse(stdout);
}
