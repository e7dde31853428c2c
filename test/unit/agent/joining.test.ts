// Nodes that join a cluster by its store.
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { joinStore } from '../../../src/agent/joining.js';
import { StoreUnavailableError } from '../../../src/base/control-errors.js';
import { nodeKey, nodesPrefix } from '../../../src/cluster/model/keys.js';
import { decommissionNode, evacuateNode } from '../../../src/cluster/model/node.js';
import { encodeNode } from '../../../src/cluster/model/node-record.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { SimClock } from '../../sim/control-plane/sim-clock.js';
import { id } from '../cluster/placement-cluster.js';

const log = pino({ level: 'silent' });
let clock: SimClock;
let store: Store;
let end: AbortController;
beforeEach(() => {
  clock = new SimClock();
  store = openMemoryStore(clock);
  end = new AbortController();
});

function join(number: number, { name = `n${number}`, by = store }: { name?: string; by?: Store } = {}) {
  const address = { host: `10.0.0.${number}`, port: 4430 };
  const joining = {
    ...{ id: id(number), name, addresses: { nvme: address, replication: address }, labels: {} },
    hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${id(number)}`,
  };
  return joinStore({ store: by, joining, clock, log, signal: end.signal });
}

describe('nodes that join at once', () => {
  it('get a slot each', async () => {
    const joining = Promise.all([1, 2, 3, 4, 5].map((number) => join(number)));
    await clock.run(1_000);
    expect((await joining).map(({ slot }) => slot).sort()).toEqual([0, 1, 2, 3, 4]);
    expect((await store.list(nodesPrefix)).entries).toHaveLength(5);
  });

  it('do not get one name', async () => {
    const joining = Promise.allSettled([join(1, { name: 'same' }), join(2, { name: 'same' })]);
    await clock.run(1_000);
    const results = await joining;
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'NODE_STATE' },
    });
    expect((await store.list(nodesPrefix)).entries).toHaveLength(1);
  });
});

describe('a node that joins again', () => {
  it('keeps its slot and what was decided about it', async () => {
    const first = await join(1);
    const evacuating = evacuateNode(first);
    await store.commit([], [{ type: 'put', key: nodeKey(first.id), value: encodeNode(evacuating) }]);
    expect(await join(1, { name: 'other' })).toEqual({ ...evacuating, name: 'other' });
  });

  it('is refused when it was decommissioned', async () => {
    const first = await join(1);
    const gone = decommissionNode(evacuateNode(first), { replicasCount: 0, headsCount: 0 });
    await store.commit([], [{ type: 'put', key: nodeKey(first.id), value: encodeNode(gone) }]);
    await expect(join(1)).rejects.toMatchObject({ code: 'NODE_STATE' });
  });
});

describe('while the store is away', () => {
  let isAway = true;
  const away = (): Store => ({
    ...store,
    list: (prefix) => store.list(prefix),
    commit: (compare, write) => store.commit(compare, write),
    get: async (key) => {
      if (isAway) throw new StoreUnavailableError('get', 'a test');
      return store.get(key);
    },
  });

  it('a node waits, and joins when it is back', async () => {
    isAway = true;
    const joining = join(1, { by: away() });
    await clock.run(10_000);
    expect((await store.list(nodesPrefix)).entries).toEqual([]);
    isAway = false;
    await clock.run(2_000);
    expect(await joining).toMatchObject({ name: 'n1', slot: 0 });
  });

  it('a node that is not wanted any more gives up', async () => {
    isAway = true;
    const joining = Promise.allSettled([join(1, { by: away() })]);
    end.abort(new Error('not wanted'));
    await clock.run(2_000);
    expect(await joining).toMatchObject([{ status: 'rejected', reason: { message: 'not wanted' } }]);
  });
});
