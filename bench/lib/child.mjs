// How a bench starts a program: each in a session of its own, targets and clients, ours and the user's alike.
// The kernel shares a busy machine's CPUs among sessions before it does among processes (autogroup), so one
// that stayed in ours would get less than one that does not. And whatever a program starts ends with it.

import { spawn } from 'node:child_process';
import { processGroup } from './processes.mjs';

const outputKept = 1 << 20;
const stopTimeLimitMs = 20_000;

const running = new Set();
let signalsPassed = false;
let giveUp = false;

/** Stops whatever still runs, as stop() does. */
export const stopAll = () => Promise.all([...running].map((child) => child.stop()));

// A terminal's Ctrl-C does not reach other sessions.
function passSignalsOn() {
  for (const [name, number] of Object.entries({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 })) {
    process.once(name, () => {
      giveUp = true;
      stopAll().finally(() => process.exit(128 + number));
    });
  }
}

// Whoever waits for a child goes no further after a signal: its end is no result.
const never = new Promise(() => {});

export const shell = (commandLine) => ['sh', '-c', commandLine];

/**
 * { pid, pids(), lines(callback), output(), stdout(), ended, closed, end(), signal(name), stop() }. `ended`
 * resolves with the exit code, signal or reason, `closed` when its output is over too; output() is of both
 * streams; stop() is SIGTERM, and SIGKILL when that takes too long.
 * @param {string[]} words
 */
export function startChild(words, environment = {}) {
  if (!signalsPassed) passSignalsOn();
  signalsPassed = true;
  const [file, ...args] = words;
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...environment },
  });
  let output = '';
  let stdout = '';
  let unfinished = '';
  let onLine = () => {};
  child.stdout.on('data', (data) => {
    stdout = (stdout + data).slice(-outputKept);
    const lines = (unfinished + data).split('\n');
    unfinished = lines.pop().slice(-outputKept);
    for (const line of lines) onLine(line.trim());
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      output = (output + data).slice(-outputKept);
    });
  }
  let end;
  const ended = new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(signal ?? code));
    child.on('error', (error) => resolve(error.message));
  }).then((outcome) => {
    end = outcome;
    return outcome;
  });
  const closed = new Promise((resolve) => {
    child.on('close', resolve);
    child.on('error', resolve);
  });
  const signal = (name) => {
    try {
      process.kill(-child.pid, name);
    } catch {} // the whole group is gone
  };
  const killAtExit = () => signal('SIGKILL');
  process.on('exit', killAtExit);
  const self = {
    pid: child.pid,
    pids: () => processGroup(child.pid),
    lines: (callback) => {
      onLine = callback;
    },
    output: () => output,
    stdout: () => stdout,
    ended,
    closed,
    end: () => end,
    signal,
    async stop() {
      signal('SIGTERM');
      signal('SIGCONT'); // it may be paused
      const late = setTimeout(killAtExit, stopTimeLimitMs);
      await ended;
      clearTimeout(late);
      killAtExit(); // what its own end left over
      process.off('exit', killAtExit);
      running.delete(self);
    },
  };
  running.add(self);
  return self;
}

/** Resolves with 'ready' when it has printed that line, else with what happened instead, in words. */
export async function untilReady(child, timeLimitMs, onLine = () => {}) {
  let timer;
  const outcome = await Promise.race([
    child.ended.then((end) => `ended with ${end} instead`),
    new Promise((resolve) => {
      timer = setTimeout(resolve, timeLimitMs, `did not in ${timeLimitMs / 1000} s`);
    }),
    new Promise((resolve) => {
      child.lines((line) => {
        onLine(line);
        if (line === 'ready') resolve('ready');
      });
    }),
  ]);
  clearTimeout(timer);
  return giveUp ? never : outcome;
}

/** The last line that says something, for an error of one line. */
export function lastLine(output) {
  return output.trim().split('\n').at(-1).trim().slice(0, 300);
}

/**
 * Runs it to its end and resolves with { stdout, output }; rejects when it fails or takes longer.
 * @param {string[]} words
 */
export async function runChild(words, timeLimitMs, environment = {}) {
  const child = startChild(words, environment);
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, timeLimitMs, 'late');
  });
  const outcome = await Promise.race([child.ended, late]);
  clearTimeout(timer);
  if (outcome === 'late') child.signal('SIGKILL');
  await child.stop();
  await child.closed;
  if (giveUp) await never;
  const said = lastLine(child.output());
  if (outcome === 'late') throw new Error(`not over after ${timeLimitMs / 1000} s: ${said}`);
  if (outcome !== 0) throw new Error(`ended with ${outcome}: ${said}`);
  return { stdout: child.stdout(), output: child.output() };
}
