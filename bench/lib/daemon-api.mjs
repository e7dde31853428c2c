// The REST API of a daemon that a bench has started, by the Unix socket in its state directory.

import { request } from 'node:http';
import { join } from 'node:path';

/** `ask(method, path, body)` resolves with what was answered; rejects with the error's text. */
export function daemonApi(directory) {
  const socketPath = join(directory, 'api.sock');
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const content = body === undefined ? undefined : JSON.stringify(body);
      const headers = content === undefined ? {} : { 'content-type': 'application/json' };
      const sent = request({ socketPath, method, path: `/v1/${path}`, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (data) => {
          text += data;
        });
        response.on('end', () => {
          if (response.statusCode < 300) return resolve(text === '' ? undefined : JSON.parse(text));
          return reject(new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 300)}`));
        });
      });
      sent.on('error', reject);
      sent.end(content);
    });
}

/** The API answers a moment after `ready`. */
export async function untilApi(ask, timeLimitMs = 10_000) {
  const until = performance.now() + timeLimitMs;
  for (;;) {
    try {
      return await ask('GET', 'health');
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
