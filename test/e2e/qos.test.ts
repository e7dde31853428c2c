// Limits as a user has them: by the command line against a daemon, while hosts do I/O. Figures are of counts:
// no rate is judged here.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ballast, projectTop, type Target, Workspace } from '../support/ballast.js';

let workspace: Workspace;
let target: Target;
const environment = () => ({ environment: { BALLAST_DATA: workspace.path('state') } });

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of an answer
async function run(...argv: string[]): Promise<any> {
  const { code, stdout, stderr } = await ballast([...argv, '-o', 'json'], environment());
  if (code !== 0) throw new Error(`${argv.join(' ')}: exit code ${code}: ${stderr}`);
  return JSON.parse(stdout.toString());
}

async function refused(...argv: string[]): Promise<string> {
  const { code, stderr } = await ballast(argv, environment());
  expect(code).not.toBe(0);
  return stderr;
}

async function serve(): Promise<Target> {
  const pool = ['--ensure-pool', `p=${workspace.path('disk')}:1GiB`, '--ensure-volume', 'v=64MiB'];
  const started = await workspace.serve('--data', workspace.path('state'), ...pool);
  await started.api;
  return started;
}

beforeEach(async () => {
  workspace = await Workspace.create();
  target = await serve();
});
afterEach(() => workspace.remove());

describe('limits', () => {
  it('change while a host works, which has no error and is held by them (N31)', async () => {
    const { qosCounters: before, nqn } = await run('volume', 'show', 'v');
    expect(before.throttledIos).toBe(0);
    const perf = ballast(
      ['perf', `${target.uri}/${nqn}`, '--time', '4', '--qd', '16', '-o', 'json'],
      environment(),
    );
    let throttled = 0;
    await run('volume', 'set', 'v', '--iops', '50');
    while (throttled < 20) throttled = (await run('volume', 'show', 'v')).qosCounters.throttledIos;
    await run('volume', 'set', 'v', '--iops', '1');
    await run('volume', 'set', 'v', '--iops', '1000000000000');
    const { code, stdout } = await perf;
    expect(code).toBe(0);
    expect(JSON.parse(stdout.toString())).toMatchObject({ errors: 0 });
    const { qosCounters, qos } = await run('volume', 'show', 'v');
    expect(qos).toEqual({ iops: 1e12 });
    expect(qosCounters).toMatchObject({ waitingIos: 0 });
  });

  it('the budget, classes and guarantees outlive a restart; what is too much is refused', async () => {
    expect(await refused('volume', 'set', 'v', '--min-iops', '1')).toContain('burnin --set');
    await run('qos', 'budget', 'set', '1000', '--depth', '8');
    await run('qos', 'class', 'set', 'gold', '--min-iops', '600');
    await run('volume', 'set', 'v', '--class', 'gold', '--iops', '700');
    expect(await refused('volume', 'create', 'w', '--size', '16MiB', '--min-iops', '401')).toMatch(
      /1001.*1000/,
    );
    expect(await refused('qos', 'class', 'delete', 'gold')).toContain("'v' is of it");
    await target.stop();
    target = await serve();
    expect(await run('qos', 'budget', 'show')).toEqual({ iops: 1000, depth: 8, guaranteedIops: 600 });
    expect((await run('volume', 'show', 'v')).qos).toEqual({ class: 'gold', iops: 700 });
    await run('volume', 'set', 'v', '--no-qos');
    expect((await run('volume', 'show', 'v')).qos).toBeUndefined();
    await run('qos', 'class', 'delete', 'gold');
  });
});

describe('burnin', () => {
  it('measures, makes it the budget, and leaves no volume behind', async () => {
    const report = await run('burnin', '--size', '8MiB', '--time', '0.5', '--set');
    expect(report.steps.length).toBeGreaterThan(3);
    expect(report.iops).toBe(Math.max(...report.steps.map(({ iops }: { iops: number }) => iops)));
    expect(await run('qos', 'budget', 'show')).toMatchObject({ iops: report.iops, depth: report.depth });
    const { volumes } = await run('volume', 'list');
    expect(volumes.map(({ name }: { name: string }) => name)).toEqual(['v']);
  });

  it('measures past the budget, which is what it was after; guarantees take --force', async () => {
    const short = ['--size', '8MiB', '--time', '0.2'];
    await run('qos', 'budget', 'set', '7', '--depth', '3');
    expect((await run('burnin', ...short)).iops).toBeGreaterThan(7);
    const budget = { iops: 7, depth: 3, guaranteedIops: 0 };
    expect(await run('qos', 'budget', 'show')).toEqual(budget);
    await run('volume', 'set', 'v', '--min-iops', '5');
    expect(await refused('burnin', ...short)).toMatch(/--force.*5 IOPS are guaranteed/);
    expect(await refused('qos', 'budget', 'set', '0')).toMatch(/to 'v'.*qos show.*force/);
    expect((await run('burnin', ...short, '--force')).iops).toBeGreaterThan(7);
    expect(await run('qos', 'budget', 'show')).toEqual({ ...budget, guaranteedIops: 5 });
    await run('qos', 'budget', 'set', '0', '--force');
    expect(await run('qos', 'budget', 'show')).toMatchObject({ iops: 0, guaranteedIops: 5 });
  });

  it('that is interrupted puts the budget back and leaves no volume', async () => {
    await run('qos', 'budget', 'set', '7');
    const argv = ['burnin', '--size', '8MiB', '--time', '5'];
    const burnin = await workspace.start(`${projectTop}/bin/ballast`, argv);
    const shown = async () => (await run('qos', 'budget', 'show')).iops;
    await expect.poll(shown, { timeout: 30_000 }).toBeGreaterThan(7);
    burnin.signal('SIGINT');
    expect((await burnin.exited).code).toBe(1);
    expect(await shown()).toBe(7);
    expect((await run('volume', 'list')).volumes).toHaveLength(1);
  });
});
