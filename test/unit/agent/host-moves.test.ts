// Heads that follow their hosts, in a simulated cluster: all of the agents' and the controller's own code.
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lostHostsPrefix } from '../../../src/cluster/model/keys.js';
import { SimCluster, type SimNode } from '../../sim/control-plane/sim-cluster.js';

const name = 'db';
let cluster: SimCluster;

beforeEach(async () => {
  const log = pino({ level: 'silent' });
  cluster = new SimCluster({ seed: 5, nodesCount: 3, controllersCount: 1, zonesCount: 3, log });
  for (const controller of cluster.controllers) cluster.startController(controller);
  for (const node of cluster.nodes) void cluster.startNode(node);
  await cluster.clock.run(3_000);
  void cluster.controllers[0]?.process?.volumes.create({ name, sizeBytes: 1n << 24n, replicas: 3 });
  await cluster.clock.run(20_000);
});
afterEach(async () => {
  expect(cluster.checks.violations).toEqual([]);
  await cluster.close();
});

const record = () => cluster.checks.mirrors.get(name)?.record;
function head(): SimNode {
  const found = cluster.nodes.find(({ id }) => id === record()?.head);
  if (found === undefined || record()?.headStopped === true) throw new Error('there is no head');
  return found;
}
const [one = '', other = ''] = ['1', '2'].map((number) => `nqn.2026-11.dev.ballast:host:${number}`);
const others = (node: SimNode) => cluster.nodes.filter((one) => one !== node);
const told = async () => (await cluster.store.list(lostHostsPrefix)).entries.length;

describe('a host that reaches all nodes but the head', () => {
  it.each([false, true])('is followed within 5 s, once (its connection breaks: %s)', async (breaks) => {
    const before = head();
    cluster.cutHost(one, [before], breaks);
    await cluster.clock.run(5_000);
    const after = head();
    expect(after).not.toBe(before);
    const epoch = record()?.epoch;
    await cluster.clock.run(120_000);
    cluster.healHosts();
    await cluster.clock.run(120_000);
    expect([head(), record()?.epoch]).toEqual([after, epoch]);
    expect(await told()).toBe(0);
  });

  it('is followed while the controller is away', async () => {
    const before = head();
    for (const controller of cluster.controllers) cluster.killController(controller);
    cluster.cutHost(one, [before], false);
    await cluster.clock.run(5_000);
    expect(head()).not.toBe(before);
  });

  it('is not followed to a node that is to have no heads', async () => {
    const before = head();
    const [drained, free] = others(before);
    void cluster.controllers[0]?.process?.nodes.act(drained?.name ?? '', 'drain');
    await cluster.clock.run(1_000);
    cluster.cutHost(one, [before], false);
    await cluster.clock.run(5_000);
    expect(head()).toBe(free);
    // And again where that is lost too, but not back: nobody is left who hears it.
    cluster.cutHost(one, [head()], false);
    await cluster.clock.run(60_000);
    expect(head()).toBe(free);
  });

  it('is followed once the head is where it is not heard, though it was lost there before that', async () => {
    const [standby] = others(head());
    if (standby === undefined) throw new Error('there is no standby');
    cluster.cutHost(one, [standby], false);
    await cluster.clock.run(10_000);
    void cluster.controllers[0]?.process?.volumes.moveHead(name, standby.id);
    await cluster.clock.run(1_000);
    expect(head()).toBe(standby);
    await cluster.clock.run(8_000);
    expect(head()).not.toBe(standby);
  });
});

describe('a head that stays', () => {
  it('has lost a host that no other node hears either', async () => {
    const { epoch } = record() ?? {};
    cluster.cutHost(one, cluster.nodes, false);
    await cluster.clock.run(60_000);
    cluster.cutHost(other, cluster.nodes, true);
    await cluster.clock.run(60_000);
    expect(record()?.epoch).toBe(epoch);
  });

  it('has lost a host that comes back to all nodes, to one of them first', async () => {
    const { epoch } = record() ?? {};
    for (const goneMs of [10_000, 60_000]) {
      cluster.cutHost(one, cluster.nodes, true);
      await cluster.clock.run(goneMs);
      cluster.healHosts();
      await cluster.clock.run(20_000);
    }
    expect(record()?.epoch).toBe(epoch);
  });

  it('has a host that reaches it alone, beside one that does not reach it', async () => {
    const { epoch } = record() ?? {};
    const before = head();
    cluster.cutHost(one, [before], false);
    cluster.cutHost(other, others(before), false);
    await cluster.clock.run(60_000);
    expect(record()?.epoch).toBe(epoch);
    expect(await told()).toBe(1);
  });

  it('has hosts that come and go: one move in some seconds', async () => {
    const epochs = [record()?.epoch ?? 0n];
    for (let round = 0; round < 20; round += 1) {
      cluster.cutHost(one, [head()], round % 2 === 0);
      await cluster.clock.run(3_000);
      cluster.healHosts();
      await cluster.clock.run(500);
      epochs.push(record()?.epoch ?? 0n);
    }
    expect(Number((epochs.at(-1) ?? 0n) - (epochs[0] ?? 0n))).toBeLessThanOrEqual(14);
  });
});
