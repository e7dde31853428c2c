import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../../../src/drills/processes/ports.js';
import { Supervisor } from '../../../src/drills/processes/supervisor.js';

const timeoutMs = 20_000;
const forever = 'setInterval(() => {}, 1000);';

let folder = '';
let supervisor: Supervisor;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ballast-drills-'));
  supervisor = new Supervisor();
});
afterEach(async () => {
  await supervisor.endAll();
  rmSync(folder, { recursive: true });
});

const start = (script: string, name = 'one') =>
  supervisor.start({
    name,
    command: [process.execPath, '-e', script],
    logFile: join(folder, `${name}.log`),
    environment: { ...process.env, GIVEN: 'yes' },
  });

const exists = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('a supervised process', () => {
  it('is ready at its line, and all it says is in its log', async () => {
    const begins = "console.error('a warning'); console.log('begins', process.env.GIVEN)";
    const one = start(`${begins}; console.log('ready'); ${forever}`);
    await one.ready(timeoutMs);
    expect(one.isRunning).toBe(true);
    await one.kill();
    expect(await one.ended).toEqual({ code: null, signal: 'SIGKILL' });
    // It is written while others go on.
    const log = expect.poll(() => readFileSync(join(folder, 'one.log'), 'utf8'), { timeout: timeoutMs });
    await log.toContain('a warning\n');
    await log.toContain('begins yes\nready\n');
  });

  it('that ends before it is ready is told, with what it said', async () => {
    const one = start("console.error('no disk'); process.exitCode = 3");
    await expect(one.ready(timeoutMs)).rejects.toThrow(/'one' ended with exit code 3; it said:\nno disk/);
  });

  it('that is never ready is given up', async () => {
    await expect(start(`console.log('already'); ${forever}`).ready(200)).rejects.toThrow(
      "process 'one' was not ready in 200 ms",
    );
  });

  it('that cannot be started is told', async () => {
    const logFile = join(folder, 'none.log');
    const none = supervisor.start({ name: 'none', command: [join(folder, 'none')], logFile });
    await expect(none.ready(timeoutMs)).rejects.toThrow(/'none' ended before it began; it said:\n.*ENOENT/);
  });

  it('stops in order, also one that is frozen', async () => {
    const one = start(`process.on('SIGTERM', () => process.exit(0)); console.log('ready'); ${forever}`);
    await one.ready(timeoutMs);
    one.signal('SIGSTOP');
    await one.stop(timeoutMs);
    expect(await one.ended).toEqual({ code: 0, signal: null });
  });

  it('that does not stop is killed, and one that stops with an error is told', async () => {
    const deaf = start(`process.on('SIGTERM', () => {}); console.log('ready'); ${forever}`, 'deaf');
    const bad = start(
      `process.on('SIGTERM', () => process.exit(4)); console.log('ready'); ${forever}`,
      'bad',
    );
    await Promise.all([deaf.ready(timeoutMs), bad.ready(timeoutMs)]);
    await expect(deaf.stop(200)).rejects.toThrow("'deaf' did not end within 200 ms of SIGTERM");
    expect(exists(deaf.pid)).toBe(false);
    await expect(bad.stop(timeoutMs)).rejects.toThrow("'bad' ended with exit code 4");
  });
});

describe('a supervisor', () => {
  it('leaves nothing, not what is frozen either, and starts nothing then', async () => {
    const all = ['a', 'b'].map((name) => start(`console.log('ready'); ${forever}`, name));
    await Promise.all(all.map((one) => one.ready(timeoutMs)));
    all[0]!.signal('SIGSTOP');
    expect(supervisor.runningCount).toBe(2);
    await supervisor.endAll();
    expect(all.map(({ pid }) => exists(pid))).toEqual([false, false]);
    expect(() => start(forever)).toThrow('ending');
  });

  it('kills what is left when its own process ends', async () => {
    const before = process.listeners('exit');
    const other = new Supervisor();
    const [onExit] = process.listeners('exit').filter((listener) => !before.includes(listener));
    const options = { name: 'left', logFile: join(folder, 'left.log') };
    const left = other.start({ ...options, command: [process.execPath, '-e', forever] });
    onExit?.(0);
    expect(await left.ended).toMatchObject({ signal: 'SIGKILL' });
    await other.endAll();
  });
});

it('finds ports that are free', async () => {
  const ports = await freePorts(5);
  expect(new Set(ports).size).toBe(5);
  for (const port of ports) {
    const refused = await new Promise((resolve) => connect(port, '127.0.0.1').once('error', resolve));
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
  }
});
