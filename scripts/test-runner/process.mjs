// Runs one program of the test run, in a process group of its own so that a time limit ends its children too.
import { spawn } from 'node:child_process';

const heldCharactersMax = 20_000;

/**
 * Resolves to the exit status; 124 after the time limit, 127 when the program cannot be started.
 * `show` is 'all' of the output, what came last on 'failure', or 'nothing'; `onOutput` gets all of it.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ minutes: number, show?: string, onOutput?: (text: string) => void }} options
 * @returns {Promise<number>}
 */
export function run(program, args, { minutes, show = 'all', onOutput }) {
  const piped = show !== 'all' || onOutput !== undefined;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      detached: true,
      env: process.stdout.isTTY ? process.env : { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
      stdio: ['ignore', piped ? 'pipe' : 'inherit', piped ? 'pipe' : 'inherit'],
    });
    let held = '';
    let late = false;
    const take = (text) => {
      onOutput?.(text);
      if (show === 'all') process.stdout.write(text);
      else held = (held + text).slice(-heldCharactersMax);
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    const endGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // All of it has ended.
      }
    };
    const interrupted = () => {
      endGroup();
      process.exit(130);
    };
    const timer = setTimeout(() => {
      late = true;
      endGroup();
    }, minutes * 60_000);
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    const finish = (status) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      if (show === 'failure' && status !== 0) process.stdout.write(held);
      if (late) console.log(`${program} took more than ${minutes} minutes and was ended`);
      resolve(late ? 124 : status);
    };
    child.once('error', (error) => {
      console.log(`${program}: ${error.message}`);
      finish(127);
    });
    child.once('close', (status) => finish(status ?? 1));
  });
}
