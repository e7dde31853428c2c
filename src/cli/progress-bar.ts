// One line with a bar that is painted over, on a terminal only: in a log it would be noise.
import { formatSize } from '../base/sizes.js';
import type { CliContext } from './engine-port.js';

const width = 30;

export interface Progress {
  readonly doneBytes: bigint;
  readonly totalBytes: bigint;
}

export class ProgressBar {
  #shown = false;

  constructor(
    readonly context: CliContext,
    readonly title: string,
  ) {}

  show(progress: Progress, note = ''): void {
    if (this.context.stderr.isTTY !== true) return;
    this.#shown = true;
    this.context.stderr.write(`\r\x1b[K${renderProgress(this.title, progress)}${note}`);
  }

  clear(): void {
    if (this.#shown) this.context.stderr.write('\r\x1b[K');
    this.#shown = false;
  }
}

export function renderProgress(title: string, { doneBytes, totalBytes }: Progress): string {
  const permille = totalBytes === 0n ? 1000 : Number((doneBytes * 1000n) / totalBytes);
  const filled = Math.min(width, Math.floor((permille * width) / 1000));
  const bar = '#'.repeat(filled) + '-'.repeat(width - filled);
  const share = `${(permille / 10).toFixed(1)} %`.padStart(7);
  return `${title} [${bar}] ${share}   ${formatSize(doneBytes)} of ${formatSize(totalBytes)}`;
}
