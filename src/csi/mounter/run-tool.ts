// One tool of the system: by its absolute path, without a shell, in an environment of ours, bounded in time
// and in what it says. It is not ended when a caller goes away: half a mkfs helps nobody.
import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { RpcError } from '../../rpc/status.js';

const directories = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const outputCharactersMax = 16_384;
const timeoutMsDefault = 120_000;
const environment = {
  PATH: directories.join(':'),
  LC_ALL: 'C',
  // mount(2) follows /proc/self/fd/N; move_mount(2), which util-linux 2.39 prefers, does not.
  LIBMOUNT_FORCE_MOUNT2: 'always',
};

export interface ToolOptions {
  /** Open files that the tool finds as /proc/self/fd/3, 4, ... */
  readonly fds?: readonly number[];
  readonly timeoutMs?: number;
  /** Statuses that are an answer; default: 0 only. */
  readonly statuses?: readonly number[];
}

export interface ToolAnswer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runTool(
  name: string,
  argv: readonly string[],
  { fds = [], timeoutMs = timeoutMsDefault, statuses = [0] }: ToolOptions = {},
): Promise<ToolAnswer> {
  const answer = await run(await pathOf(name), argv, fds, timeoutMs);
  if (answer.status !== null && statuses.includes(answer.status)) return { ...answer, status: answer.status };
  const said = lastLine(answer.stderr) || lastLine(answer.stdout) || 'it said nothing';
  const how =
    answer.status === null ? `was ended after ${timeoutMs / 1000} s` : `ended with ${answer.status}`;
  throw new RpcError('INTERNAL', `${name} ${how}: ${said}`);
}

async function pathOf(name: string): Promise<string> {
  for (const directory of directories) {
    const path = `${directory}/${name}`;
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  throw new RpcError('FAILED_PRECONDITION', `${name} is not installed on this node`);
}

function run(
  path: string,
  argv: readonly string[],
  fds: readonly number[],
  timeoutMs: number,
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, argv, {
      env: environment,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe', ...fds],
    });
    const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        if (said[stream].length < outputCharactersMax) said[stream] += text;
      });
    }
    child.once('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
    child.once('close', (status) => {
      clearTimeout(late);
      resolve({ status, ...said });
    });
  });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim().slice(0, 256) ?? '';
}
