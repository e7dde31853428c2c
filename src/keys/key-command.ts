// Keys behind a program, such as a client of a key management system: it is started for each request, gets
// one JSON object on its standard input and answers one on its standard output
// (docs/operations/encryption.md). Nothing secret is in its arguments or environment; its other output is
// thrown away, for it may have secrets.
import { spawn } from 'node:child_process';
import { type Clock, systemClock } from '../base/clock.js';
import { KeyUnavailableError } from '../base/pool-errors.js';
import { dataKeyBytes, makeDataKey } from './data-key.js';
import { keyIdPattern } from './envelope.js';
import type { KeyProvider, WrappedKey } from './types.js';

export const answerBytesMax = 16_384;
const defaultTimeoutMs = 10_000;
// What does not answer, or cannot be started, is not asked again for a while: at the start of the daemon
// each of a thousand volumes would wait for it.
const pauseMs = 5_000;

type Fields = Readonly<Record<string, unknown>>;

export class KeyCommand implements KeyProvider {
  readonly kind = 'command';

  readonly #clock: Clock;
  #down: { readonly untilMs: number; readonly error: KeyUnavailableError } | undefined;

  constructor(
    readonly program: string,
    readonly timeoutMs: number = defaultTimeoutMs,
    clock: Clock = systemClock,
  ) {
    this.#clock = clock;
  }

  get name(): string {
    return `key command ${this.program}`;
  }

  async currentKeyId(): Promise<string> {
    const probe = makeDataKey();
    try {
      return (await this.wrap(probe)).keyId;
    } finally {
      probe.fill(0);
    }
  }

  async wrap(dataKey: Uint8Array): Promise<WrappedKey> {
    const key = Buffer.from(dataKey.buffer, dataKey.byteOffset, dataKey.byteLength).toString('base64');
    const { keyId, wrapped } = await this.#ask({ operation: 'wrap', key });
    if (typeof keyId !== 'string' || !keyIdPattern.test(keyId)) {
      throw this.#unavailable('answered no keyId of 1 to 200 printable characters');
    }
    return { keyId, wrapped: this.#bytes('wrapped', wrapped) };
  }

  async unwrap({ keyId, wrapped }: WrappedKey): Promise<Buffer> {
    const base64 = Buffer.from(wrapped.buffer, wrapped.byteOffset, wrapped.byteLength).toString('base64');
    const { key } = await this.#ask({ operation: 'unwrap', keyId, wrapped: base64 });
    const bytes = this.#bytes('key', key);
    if (bytes.length !== dataKeyBytes) {
      bytes.fill(0);
      throw this.#unavailable(`answered a key that does not have ${dataKeyBytes} bytes`);
    }
    return bytes;
  }

  #bytes(field: string, value: unknown): Buffer {
    if (typeof value !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) {
      throw this.#unavailable(`answered no ${field} in base64`);
    }
    return Buffer.from(value, 'base64');
  }

  async #ask(request: Fields): Promise<Fields> {
    if (this.#down !== undefined && this.#clock.steadyMs() < this.#down.untilMs) throw this.#down.error;
    const input = Buffer.from(`${JSON.stringify({ version: 1, ...request })}\n`);
    let output: Buffer | undefined;
    try {
      output = await this.#run(input);
      const answer = parse(output);
      if (answer === undefined) throw this.#unavailable('did not answer a JSON object');
      if (typeof answer.error === 'string') throw this.#unavailable(`refused: ${printable(answer.error)}`);
      return answer;
    } finally {
      input.fill(0);
      output?.fill(0);
    }
  }

  #run(input: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      // A group of its own: what it started ends with it.
      const child = spawn(this.program, [], { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
      const chunks: Buffer[] = [];
      let bytes = 0;
      let failure: KeyUnavailableError | undefined;
      const giveUp = (reason: string, cause?: unknown) => {
        failure ??= this.#unavailable(reason, cause);
        if (child.pid !== undefined) killGroup(child.pid);
      };
      const late = setTimeout(() => {
        giveUp(`did not answer in ${this.timeoutMs / 1000} s`);
        this.#pause(failure);
      }, this.timeoutMs);
      child.on('error', (cause: NodeJS.ErrnoException) => {
        clearTimeout(late);
        failure = this.#unavailable(`cannot be started (${cause.code})`, cause);
        this.#pause(failure);
        reject(failure);
      });
      child.stdin.on('error', () => undefined); // it may answer without reading
      child.stdin.end(input);
      child.stdout.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answerBytesMax) giveUp(`answered more than ${answerBytesMax} bytes`);
        else chunks.push(chunk);
      });
      child.on('close', (code, signal) => {
        clearTimeout(late);
        const output = Buffer.concat(chunks);
        for (const chunk of chunks) chunk.fill(0);
        if (failure === undefined && code === 0) return resolve(output);
        const refusal = parse(output)?.error;
        output.fill(0);
        const said = typeof refusal === 'string' ? `: ${printable(refusal)}` : '';
        return reject(failure ?? this.#unavailable(`ended with ${signal ?? `exit code ${code}`}${said}`));
      });
    });
  }

  #pause(error: KeyUnavailableError | undefined): void {
    if (error !== undefined) this.#down = { untilMs: this.#clock.steadyMs() + pauseMs, error };
  }

  #unavailable(reason: string, cause?: unknown): KeyUnavailableError {
    return new KeyUnavailableError(this.name, reason, { cause });
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended in this moment.
  }
}

function parse(output: Buffer): Fields | undefined {
  try {
    const value: unknown = JSON.parse(output.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : undefined;
  } catch {
    return undefined;
  }
}

function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ').slice(0, 200);
}
