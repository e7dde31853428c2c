// One process of a drill: started, seen to be ready, stopped, frozen and killed, with all that it says in a
// file. Every wait ends: with what was waited for, with the end of the process, or in time.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { ProcessFailedError } from '../../base/drill-errors.js';

export interface ProcessOptions {
  /** Of the process and of its log. */
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Appended to: a process that is started again goes on in it. */
  readonly logFile: string;
  /** Absent: that of this process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Of what it said, as much as an error tells. */
const saidBytesMax = 2_000;

export class SupervisedProcess {
  readonly ended: Promise<ProcessEnd>;
  readonly #options: ProcessOptions;
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  readonly #readyLine = /^ready$/m;
  #said = '';
  #isReady = false;
  #end: ProcessEnd | undefined;
  #onChange: () => void = () => undefined;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const [program, ...argv] = options.command;
    this.#log = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
    this.#log.on('error', () => undefined); // a full disk is to be seen in what is drilled, not here
    this.#child = spawn(program, argv, {
      env: options.environment ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = new Promise((resolve) => {
      // 'exit', not 'close': what it started itself may keep its streams open.
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
      this.#child.once('error', (error) => {
        this.#hear(`${error.message}\n`);
        resolve({ code: null, signal: null });
      });
    });
    void this.ended.then((end) => {
      this.#end = end;
      this.#onChange();
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#hear(text);
      this.#isReady ||= this.#readyLine.test(this.#said);
      if (this.#isReady) this.#onChange();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
  }

  get name(): string {
    return this.#options.name;
  }

  /** 0: it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#end === undefined;
  }

  /** Resolves at its line `ready`. Fails when it ends before, or in time. */
  async ready(timeoutMs: number): Promise<void> {
    await this.#wait(timeoutMs, () => this.#isReady || !this.isRunning);
    if (!this.isRunning) throw new ProcessFailedError(this.name, `ended ${this.#how()}`, this.#said);
    if (!this.#isReady)
      throw new ProcessFailedError(this.name, `was not ready in ${timeoutMs} ms`, this.#said);
  }

  signal(name: NodeJS.Signals): void {
    if (this.isRunning) this.#child.kill(name);
  }

  /** At once, frozen or not. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** In order. Fails, and kills it, when it takes longer or ends otherwise than with exit code 0. */
  async stop(timeoutMs: number): Promise<void> {
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    await this.#wait(timeoutMs, () => !this.isRunning);
    if (this.isRunning) {
      await this.kill();
      throw new ProcessFailedError(this.name, `did not end within ${timeoutMs} ms of SIGTERM`, this.#said);
    }
    if (this.#end?.code !== 0) throw new ProcessFailedError(this.name, `ended ${this.#how()}`, this.#said);
  }

  #hear(text: string): void {
    this.#log.write(text);
    this.#said = (this.#said + text).slice(-saidBytesMax);
  }

  #how(): string {
    const { code, signal } = this.#end ?? {};
    if (signal != null) return `by ${signal}`;
    return code == null ? 'before it began' : `with exit code ${code}`;
  }

  async #wait(timeoutMs: number, isOver: () => boolean): Promise<void> {
    if (isOver()) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onChange = () => {
        if (!isOver()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#onChange = () => undefined;
  }
}
