// A peer: another program's target, started by the user's command and measured beside ours. What it is and
// how it is set up is the user's business; here it is started, found ready, paused and stopped.

import { connect } from 'node:net';
import { UsageError } from './arguments.mjs';
import { pinned } from './ballast.mjs';
import { lastLine, shell, startChild, untilReady } from './child.mjs';
import { devices } from './matrix.mjs';

const readyTimeLimitMs = 30_000;
const connectTimeLimitMs = 3_000;

/** `[DEVICE=]tcp://HOST:PORT/NQN` as { device, uri, host, port, nqn }; without a device, memory is meant. */
export function parsePeerUri(text) {
  const match = /^(?:(\w+)=)?(tcp:\/\/(\[[\da-f:.]+\]|[^\s:/[\]]+):(\d{1,5})\/(\S+))$/i.exec(text);
  if (match === null) throw new UsageError(`--peer-uri takes [DEVICE=]tcp://HOST:PORT/NQN, not '${text}'`);
  const [, device = 'memory', uri, host, port, nqn] = match;
  if (!devices.includes(device))
    throw new UsageError(`--peer-uri: device '${device}' is none of ${devices.join(', ')}`);
  return { device, uri, host: host.replace(/^\[|\]$/g, ''), port: Number(port), nqn };
}

function checkPort({ host, port, uri }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: connectTimeLimitMs });
    const fail = (why) => {
      socket.destroy();
      reject(new UsageError(`--peer-uri ${uri}: nothing answers there (${why})`));
    };
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('timeout', () => fail(`no connection in ${connectTimeLimitMs / 1000} s`));
    socket.on('error', (error) => fail(error.code ?? error.message));
  });
}

/**
 * Resolves when it has said `ready` and each of its URIs takes a connection, with what serve() of ballast.mjs
 * resolves with, as far as it makes sense.
 */
export async function startPeer({ command, uris, cpus, timeLimitMs = readyTimeLimitMs }) {
  const begin = performance.now();
  const given = startChild(pinned(cpus, shell(command)));
  const outcome = await untilReady(given, timeLimitMs);
  const startMs = performance.now() - begin;
  try {
    if (outcome !== 'ready') {
      const last = lastLine(given.output());
      const said = last === '' ? '' : ` (its last line: ${last})`;
      throw new UsageError(`--peer: has to print a line 'ready', but ${outcome}${said}`);
    }
    for (const uri of uris) await checkPort(uri);
  } catch (error) {
    await given.stop();
    throw error;
  }
  return {
    command: [command],
    startMs,
    pids: given.pids,
    ended: given.end,
    has: (device) => uris.some((one) => one.device === device),
    uri: (device) => uris.find((one) => one.device === device).uri,
    stop: given.stop,
  };
}
