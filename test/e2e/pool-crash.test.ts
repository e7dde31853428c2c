// A daemon that is killed with SIGKILL at any moment of what changes its pools: the next one has all that was
// acknowledged, of what was under way all or nothing, and serves it. BALLAST_TEST_ROUNDS makes it longer.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callApi } from '../support/api-client.js';
import { Workspace } from '../support/ballast.js';

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(() => workspace.remove());

const rounds = Number(process.env.BALLAST_TEST_ROUNDS ?? 3);
const workers = 6;
const mib = 1 << 20;

interface VolumeModel {
  readonly sizeBytes: number;
  readonly snapshots: readonly string[];
}
/** Volumes of one worker, by name. */
type Model = Readonly<Record<string, VolumeModel>>;

interface Change {
  readonly method: string;
  readonly path: string;
  readonly payload?: object;
  readonly after: Model;
}

// Of Numerical Recipes: the same seed gives the same operations.
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function without(model: Model, name: string): Model {
  return Object.fromEntries(Object.entries(model).filter(([key]) => key !== name));
}

/** One change that must be accepted, and what is there after it. */
function nextChange(worker: number, serial: number, model: Model, pick: (below: number) => number): Change {
  const fresh = `w${worker}-${serial}`;
  const names = Object.keys(model);
  const name = names[pick(names.length)];
  const volume = name === undefined ? undefined : model[name];
  if (name === undefined || volume === undefined || (names.length < 4 && pick(3) === 0)) {
    const sizeBytes = mib * (1 + pick(64));
    const encrypted = pick(3) === 0;
    const payload = { name: fresh, sizeBytes, encrypted };
    return {
      method: 'POST',
      path: 'volumes',
      payload,
      after: { ...model, [fresh]: { sizeBytes, snapshots: [] } },
    };
  }
  const put = (changed: VolumeModel): Model => ({ ...model, [name]: changed });
  const [snapshot] = volume.snapshots;
  switch (pick(6)) {
    case 0: {
      const sizeBytes = volume.sizeBytes + mib;
      const after = put({ ...volume, sizeBytes });
      return { method: 'PATCH', path: `volumes/${name}`, payload: { sizeBytes }, after };
    }
    case 1: {
      const after = { ...without(model, name), [fresh]: volume };
      return { method: 'PATCH', path: `volumes/${name}`, payload: { name: fresh }, after };
    }
    case 2:
      if (snapshot === undefined) break;
      return {
        method: 'DELETE',
        path: `volumes/${name}/snapshots/${snapshot}`,
        after: put({ ...volume, snapshots: volume.snapshots.slice(1) }),
      };
    case 3:
      if (snapshot !== undefined) break;
      return { method: 'DELETE', path: `volumes/${name}`, after: without(model, name) };
    case 4: {
      if (snapshot === undefined || names.length >= 6) break;
      const source = { volume: name, snapshot };
      // A clone that is larger than any state of its origin has the size it asks for.
      const sizeBytes = volume.sizeBytes + 1024 * mib;
      const after = { ...model, [fresh]: { sizeBytes, snapshots: [] } };
      return { method: 'POST', path: 'volumes', payload: { name: fresh, sizeBytes, source }, after };
    }
  }
  const after = put({ ...volume, snapshots: [...volume.snapshots, fresh] });
  return { method: 'POST', path: `volumes/${name}/snapshots`, payload: { name: fresh }, after };
}

describe('a daemon killed with SIGKILL while its volumes are made, changed and deleted', () => {
  it(`has what was acknowledged, ${rounds} times`, { timeout: 60_000 * rounds }, async () => {
    const socket = `unix:${workspace.path('state/api.sock')}`;
    const call = (method: string, path: string, payload?: object) =>
      callApi(socket, `/v1/${path}`, { method, ...(payload && { payload }) });
    const models: Model[] = Array.from({ length: workers }, () => ({}));
    const ensure = ['--ensure-pool', `p=${workspace.path('disk')}:1GiB`];
    const seed = Date.now() >>> 0;
    const pick = random(seed);
    let serial = 0;
    for (let round = 0; round < rounds; round += 1) {
      const target = await workspace.serve(...ensure);
      await target.api;
      const pending: (Model | undefined)[] = models.map(() => undefined);
      const killAfter = 20 + pick(60);
      let done = 0;
      await Promise.all(
        models.map(async (_, worker) => {
          for (;;) {
            serial += 1;
            const change = nextChange(worker, serial, models[worker] ?? {}, pick);
            pending[worker] = change.after;
            const answer = await call(change.method, change.path, change.payload).catch(() => undefined);
            if (answer === undefined) return; // the daemon is gone
            const what = `seed ${seed}: ${change.method} ${change.path}: ${JSON.stringify(answer.body)}`;
            expect(answer.status, what).toBeLessThan(300);
            models[worker] = change.after;
            pending[worker] = undefined;
            done += 1;
            if (done === killAfter) target.signal('SIGKILL');
          }
        }),
      );
      await target.exited;
      expect(done).toBeGreaterThanOrEqual(killAfter);

      const again = await workspace.serve(...ensure);
      await again.api;
      expect(again.stdout).not.toContain('NOT SERVED');
      const { volumes } = (await call('GET', 'volumes')).body;
      for (const [worker, model] of models.entries()) {
        const found: Record<string, VolumeModel> = {};
        for (const { name, sizeBytes, state } of volumes) {
          if (!name.startsWith(`w${worker}-`)) continue;
          expect([name, state]).toEqual([name, 'serving']);
          const { snapshots } = (await call('GET', `volumes/${name}/snapshots`)).body;
          found[name] = { sizeBytes, snapshots: snapshots.map((one: { name: string }) => one.name) };
        }
        const allowed = [model, pending[worker] ?? model];
        expect(allowed, `seed ${seed}, round ${round}`).toContainEqual(found);
        models[worker] = found;
      }
      expect(await again.stop()).toBe(0);
    }
  });
});
