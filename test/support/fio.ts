// Debian's fio with our engine: builds build/fio/ballast_fio.so, and runs one command to its end.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectTop } from './ballast.js';

const builder = join(projectTop, 'scripts/build-fio-engine');
const impossible = 3; // its exit code where there is no fio, or no source of it
const buildMsMax = 300_000;
const runMsMax = 45_000;

export const fioEngine = join(projectTop, 'build/fio/ballast_fio.so');

/** Undefined when the engine is there; else why there can be none on this machine. A failed build throws. */
export function buildFioEngine(): string | undefined {
  const { status, stderr } = spawnSync(builder, { encoding: 'utf8', timeout: buildMsMax });
  if (status === 0) return undefined;
  const said = stderr.trim().split('\n');
  if (status === impossible) return said.at(-1);
  throw new Error(`scripts/build-fio-engine: exit code ${status}\n${stderr}`);
}

export interface FioOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class FioRun {
  readonly ended: Promise<FioOutcome>;
  readonly #child: ChildProcess;

  /** argv as in `fio --name=job ...`; the engine is given. */
  constructor(argv: readonly string[], directory: string) {
    const engine = ['--name=job', `--ioengine=external:${fioEngine}`, '--thread=1'];
    this.#child = spawn('fio', [...engine, '--output-format=json', ...argv], { cwd: directory });
    let stdout = '';
    let stderr = '';
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const late = setTimeout(() => this.#child.kill('SIGKILL'), runMsMax); // the test then sees no exit code
    this.ended = once(this.#child, 'close').then(([code]) => {
      clearTimeout(late);
      return { code, stdout, stderr };
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }
}

export function runFio(argv: readonly string[], directory: string): Promise<FioOutcome> {
  return new FioRun(argv, directory).ended;
}
