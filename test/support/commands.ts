// Programs of the system that a test needs to succeed.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Throws with what it said when it fails. */
export function run(program: string, ...argv: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, argv, { encoding: 'utf8', timeout: 60_000 });
  if (status !== 0)
    throw new Error(`${program} ${argv.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

/** The exit code, later. */
export async function startCommand(program: string, ...argv: string[]): Promise<number | null> {
  const child = spawn(program, argv, { stdio: 'ignore' });
  const [code] = (await once(child, 'close')) as [number | null];
  return code;
}

/** A process that runs: one that ended and is not yet waited for does not. */
export function alive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
