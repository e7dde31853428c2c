// Asks the process that serves a device: HTTP on a Unix socket of mode 0600 in the state directory.
import { request } from 'node:http';
import { AttachConflictError, AttachFailedError } from '../base/attach-errors.js';
import { AbortedError } from '../base/errors.js';
import type { ServerStatus } from './server.js';

const answerBytesMax = 65_536;

/** It ended before it answered, or nobody listens: what it did is to be looked at. */
export class ServerSilentError extends AttachFailedError {}

export function askServer(
  socketPath: string,
  uuid: string,
  method: 'GET' | 'POST',
  path: string,
  signal: AbortSignal,
): Promise<ServerStatus> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, signal, host: 'localhost' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > answerBytesMax) asked.destroy(new Error('its answer is too long'));
      });
      answer.on('error', fail);
      answer.on('end', () => {
        try {
          const body = JSON.parse(text) as ServerStatus & { readonly message?: string };
          if (answer.statusCode === 200) resolve(body);
          const reason = body.message ?? 'its server failed';
          reject(
            answer.statusCode === 409
              ? new AttachConflictError(uuid, reason)
              : new AttachFailedError(uuid, reason),
          );
        } catch (cause) {
          fail(cause);
        }
      });
    });
    const fail = (cause: unknown): void => {
      if (signal.aborted) reject(new AbortedError('asking the server of a device', { cause }));
      else reject(new ServerSilentError(uuid, 'the process that serves it does not answer', { cause }));
    };
    asked.on('error', fail);
    asked.end();
  });
}
