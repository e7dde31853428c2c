// A drill as users run it: a cluster of real processes, the head killed under load, and the report.
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ballast, Workspace } from '../support/ballast.js';

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(() => workspace.remove());

it('kills the head of a cluster of three, and nothing is lost', { timeout: 120_000 }, async () => {
  const directory = workspace.path('report');
  const argv = ['drill', 'run', 'kill-head', '--time', '5', '--report', directory, '-o', 'json'];
  const { code, stdout, stderr } = await ballast(argv, { timeoutMs: 110_000 });
  expect(code, stderr).toBe(0);
  const { drills, report } = JSON.parse(stdout.toString('utf8'));
  expect(drills).toMatchObject([
    { drill: 'kill-head', verdict: 'passed', rounds: 1, errors: 0, membersEqual: true },
  ]);
  const [round] = JSON.parse(await readFile(report.json, 'utf8')).drills[0].rounds;
  const events: string[] = round.timeline.map(({ text }: { text: string }) => text);
  const [, killed] = /^SIGKILL to (n\d)$/.exec(events.find((text) => text.startsWith('SIGKILL')) ?? '') ?? [];
  // Another one took over, while it was away.
  const at = events.indexOf(`SIGKILL to ${killed}`);
  const heads = events
    .slice(at, events.indexOf(`${killed} started again`))
    .map((text) => /^head (n\d)/.exec(text)?.[1]);
  expect(heads.some((head) => head !== undefined && head !== killed)).toBe(true);
  const history = (await readFile(`${directory}/${round.history}`, 'utf8')).trimEnd().split('\n');
  expect(history.length).toBeGreaterThanOrEqual(round.reads + round.writes);
  expect(await readFile(report.page, 'utf8')).toContain('kill-head');
});
