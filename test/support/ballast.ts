// Runs the built program bin/ballast: one command to its end, or a target until it is stopped. Ports are
// always 0.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectTop = fileURLToPath(new URL('../..', import.meta.url));
const program = join(projectTop, 'bin/ballast');
const commandMsMax = 45_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: Buffer;
  readonly environment?: NodeJS.ProcessEnv;
  /** Default: 45,000. */
  readonly timeoutMs?: number;
}

function environmentOf(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:BALLAST_|VITEST|NODE_|NOTIFY_)/.test(name),
  );
  return { ...Object.fromEntries(kept), NO_COLOR: '1', BALLAST_API_LISTEN: '127.0.0.1:0', ...extra };
}

export async function ballast(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(program, argv, { cwd: projectTop, env: environmentOf(options.environment) });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => undefined); // a command that refuses does not read its input
  child.stdin.end(options.input);
  const { timeoutMs = commandMsMax } = options;
  const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs); // the test then sees no exit code
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(late);
  return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') };
}

/** A directory that goes away with the test. */
export class Workspace {
  static async create(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'ballast-e2e-')));
  }

  readonly #targets: Target[] = [];

  private constructor(readonly directory: string) {}

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Serves on a free port of 127.0.0.1 with the state directory of this workspace. */
  async serve(...argv: string[]): Promise<Target> {
    const target = await this.start(program, ['serve', ...this.serveOptions(), ...argv]);
    await target.ready;
    return target;
  }

  /** The same where it was before: on this port, which nobody else has taken meanwhile. */
  async serveAt(port: number, ...argv: string[]): Promise<Target> {
    const target = await this.start(program, ['serve', ...this.serveOptions(port), ...argv]);
    await target.ready;
    return target;
  }

  serveOptions(port = 0): string[] {
    return ['--data', this.path('state'), '--listen', `tcp://127.0.0.1:${port}`];
  }

  async start(
    command: string,
    argv: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Target> {
    const child = spawn(command, argv, {
      cwd: projectTop,
      env: environmentOf({ BALLAST_DATA: this.path('state'), ...environment }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const target = new Target(child);
    this.#targets.push(target);
    return target;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#targets.map((target) => target.kill()));
    await rm(this.directory, { recursive: true, force: true });
  }
}

export class Target {
  /** Resolves at the line `ready`; rejects, with what it said, when the program ends before. */
  readonly ready: Promise<void>;
  /** Resolves at the line `api`, with the address of the REST API. */
  readonly api: Promise<string>;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.ready = this.#printed(/^(ready)$/m).then(() => undefined);
    this.api = this.#printed(/^api (?:(http:\S+)\/v1\/, )?unix:/m);
    this.ready.catch(() => undefined);
    this.api.catch(() => undefined);
  }

  #printed(line: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#child.stdout?.on('data', () => {
        const found = line.exec(this.stdout);
        if (found !== null) resolve(found[1] ?? '');
      });
      void this.exited.then(() => reject(new Error(`ended too early:\n${this.stdout}${this.stderr}`)));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get port(): number {
    return Number(/^listening on tcp:\/\/\S+:(\d+)$/m.exec(this.stdout)?.[1]);
  }

  get uri(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  nqn(volume: string): string {
    return new RegExp(`^volume ${volume}: .* of (nqn\\.\\S+)$`, 'm').exec(this.stdout)?.[1] ?? '';
  }

  /** What `--mirror` takes for a replica of this process. */
  replicaUri(replica: string): string {
    return new RegExp(`^replica ${replica}: .*(tcp://\\S+)$`, 'm').exec(this.stdout)?.[1] ?? '';
  }

  volumeUri(volume: string): string {
    return `${this.uri}/${this.nqn(volume)}`;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async stop(): Promise<number | null> {
    this.signal('SIGTERM');
    return (await this.exited).code;
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.signal('SIGKILL');
    await this.exited;
  }
}
