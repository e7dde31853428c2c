// A daemon that is killed with SIGKILL under load over NVMe/TCP, and the next one, which must have every
// write, zeroing, snapshot, clone and size that was acknowledged: none older, torn or from elsewhere. Of
// what was under way each block may have it or not. No checksum is wrong then, and at the end all room is
// free again. It finds what is acknowledged before the kernel has it, and recovery that loses or mixes up.
// SIGKILL takes nothing from the kernel: what is not synced, or written in the wrong order, is found by the
// simulation (test/native/bdev_pool) and in machines that lose power (test/vm). BALLAST_TEST_ROUNDS makes it
// longer.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../src/native/index.js';
import { Workspace } from '../support/ballast.js';
import { EventClock } from '../support/durability-model.js';
import { PoolUnderTest } from '../support/durability-pool.js';

let workspace: Workspace;
let engine: Engine;
beforeEach(async () => {
  workspace = await Workspace.create();
  engine = await Engine.start({ onLog: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await workspace.remove();
});

const rounds = Number(process.env.BALLAST_TEST_ROUNDS ?? 3);

// Of Numerical Recipes: the same seed gives the same operations, not the same moments.
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('a daemon killed with SIGKILL while its pools are written to and changed', () => {
  it(`has what was acknowledged, ${rounds} times`, { timeout: 60_000 * (rounds + 1) }, async () => {
    const seed = Date.now() >>> 0;
    const pick = random(seed);
    const clock = new EventClock();
    const api = `unix:${workspace.path('state/api.sock')}`;
    const pools = [true, false].map(
      (checksums) => new PoolUnderTest(checksums ? 'sums' : 'plain', api, engine, clock, pick, checksums),
    );
    const serve = async () => {
      const target = await workspace.serve();
      await target.api;
      return target;
    };

    let target = await serve();
    for (const pool of pools) await pool.create(workspace.path(pool.name));
    for (let round = 0; round < rounds; round += 1) {
      const killAfter = 500 + pick(4000);
      let done = 0;
      const acknowledged = () => {
        done += 1;
        if (done === killAfter) target.signal('SIGKILL');
      };
      await Promise.all(pools.map((pool) => pool.load(target.port, acknowledged)));
      await target.exited;
      expect(done).toBeGreaterThanOrEqual(killAfter);

      target = await serve();
      expect(target.stdout).not.toContain('NOT SERVED');
      for (const pool of pools) {
        await pool.verify(target.port).catch((error: Error) => {
          throw new Error(`seed ${seed}, round ${round}: ${error.message}`, { cause: error });
        });
      }
    }
    for (const pool of pools) await pool.empty();
    expect(await target.stop()).toBe(0);
  });
});
