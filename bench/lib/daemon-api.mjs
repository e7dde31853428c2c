// The REST API of a daemon that a bench has started, by the Unix socket in its state directory: the client of
// the program that is measured.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiledCode } from './ballast.mjs';

/** `ask(method, path, body)`, the path without /v1/, resolves with what was answered. */
export async function daemonApi(directory) {
  const { ask } = await import(join(compiledCode(), 'client/transport.js'));
  const endpoint = { socketPath: join(directory, 'api.sock') };
  return (method, path, body) => ask(endpoint, { method, path, ...(body && { body }) });
}

/** The API answers a moment after `ready`. */
export async function untilApi(ask, timeLimitMs = 10_000) {
  const until = performance.now() + timeLimitMs;
  for (;;) {
    try {
      return await ask('GET', 'health');
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(50);
    }
  }
}
