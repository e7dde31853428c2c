import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DrillTimeoutError } from '../../../src/base/drill-errors.js';
import { ConnectionLostError } from '../../../src/base/errors.js';
import type { DrillDefinition } from '../../../src/drills/fault.js';
import { killHead } from '../../../src/drills/faults/kill.js';
import { verdictOf } from '../../../src/drills/report/report.js';
import { runDrill } from '../../../src/drills/run-drill.js';
import { FakeClusterApi, FakeDrillHost, fakeProgram } from '../../support/fake-drill-cluster.js';

let folder = '';
let api: FakeClusterApi;
let host: FakeDrillHost;
let events: string[] = [];
const stop = () => new AbortController();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ballast-run-drill-'));
  api = new FakeClusterApi();
  host = new FakeDrillHost();
  events = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const states = () => join(folder, 'states');
const run = (definition: DrillDefinition, { rounds = 1, signal = stop().signal } = {}) =>
  runDrill({
    ...{ definition, host, rounds, signal, api: () => api, program: fakeProgram },
    ...{ nodes: 3, store: 'level', seconds: 0.5 },
    ...{ directory: states(), reportDirectory: join(folder, 'report') },
    onEvent: (text) => events.push(text),
  });

/** Does nothing but what is given. */
const drill = (inject: () => Promise<void>): DrillDefinition => ({
  ...{ name: 'test', what: '' },
  fault: () => ({ inject, heal: async () => undefined }),
});

describe('a drill', () => {
  it('starts a cluster, kills and starts again under load, and compares the members', async () => {
    const report = await run(killHead, { rounds: 2 });
    expect(report.failures).toEqual([]);
    expect(report.rounds.map(({ failures }) => failures)).toEqual([[], []]);
    expect(verdictOf(report)).toBe('passed');
    expect(api.calls).toEqual(['create drill 3']);
    expect(report.members).toMatchObject({ equal: true, bytes: 2 << 20 });
    const [first] = report.rounds;
    expect(first!.writes).toBeGreaterThan(0);
    expect(first!.timeline.filter(({ kind }) => kind !== 'state')).toMatchObject([
      { kind: 'fault', text: 'SIGKILL to n1' },
      { kind: 'heal', text: 'n1 started again' },
      { kind: 'note' },
    ]);
    expect(first!.series.writeIops.some((iops) => iops > 0)).toBe(true);
    const kept = readFileSync(join(folder, 'report', first!.history), 'utf8');
    expect(kept).toBe(host.histories[0]);
    // The same process twice, and twice again.
    const log = readFileSync(join(folder, 'report/kill-head/logs/n1.log'), 'utf8');
    expect(log.match(/^as agent .*--name n1 .*--ensure-pool data=.*disk\.img:2G/gm)).toHaveLength(3);
    expect(host.closed).toBe(2);
    expect(existsSync(states())).toBe(false);
  });

  it('fails when the history is none of a register', async () => {
    host.violation = { block: 3n, text: 'an old value' };
    const report = await run(drill(async () => undefined));
    expect(report.rounds[0]!.failures).toEqual([
      'a write was lost or an old value read, block 3: an old value',
    ]);
    expect(existsSync(states())).toBe(true);
    expect(events.at(-1)).toContain(states());
  });

  it('fails when an I/O failed, though nothing was lost', async () => {
    const failing = drill(async () => {
      let failures = 1;
      host.failWrite = () => {
        failures -= 1;
        return failures < 0 ? undefined : new ConnectionLostError('fake');
      };
    });
    const { rounds } = await run(failing);
    expect(rounds[0]).toMatchObject({ errors: 1 });
    expect(rounds[0]!.failures).toEqual([expect.stringMatching(/^1 I\/Os failed: the connection was lost/)]);
  });

  it('fails when members are not equal', async () => {
    host.contents = (device) => (device.includes('n3') ? ['same', 'other'] : ['same', 'same']);
    const report = await run(drill(async () => undefined));
    expect(report.members).toMatchObject({ equal: false });
    expect(report.failures[0]).toContain(
      'of n1 and n3 are not equal: 1 MiB of them, the first at byte 1048576',
    );
  });

  it('ends after a round that never came back, and says what was waited for', async () => {
    const stuck = drill(async () => {
      throw new DrillTimeoutError('n2 is head', 30, 'n1 is');
    });
    const report = await run(stuck, { rounds: 3 });
    expect(report.rounds).toHaveLength(1);
    expect(report.rounds[0]!.failures).toEqual(['n2 is head: not within 30 s; n1 is']);
    expect(report.rounds[0]!.inSyncAfterMs).toBeUndefined();
    expect(report.members).toBeUndefined();
    expect(verdictOf(report)).toBe('failed');
  });

  it('leaves no process when it is given up', async () => {
    const { signal, abort } = (() => {
      const controller = stop();
      return { signal: controller.signal, abort: () => controller.abort() };
    })();
    await expect(
      run(
        drill(async () => abort()),
        { signal },
      ),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    const log = readFileSync(join(folder, 'report/test/logs/n1.log'), 'utf8');
    expect(log).toContain('ready');
    // Ended with a cluster whose processes would keep this one alive otherwise.
    expect(process.listeners('exit').filter((listener) => listener.toString().includes('SIGKILL'))).toEqual(
      [],
    );
  });

  it('that this machine cannot have is skipped, and says why', async () => {
    const report = await run({ ...killHead, unavailable: async () => 'needs root' });
    expect(report).toMatchObject({ skipped: 'needs root', rounds: [] });
    expect(verdictOf(report)).toBe('skipped');
    expect(api.calls).toEqual([]);
  });
});
