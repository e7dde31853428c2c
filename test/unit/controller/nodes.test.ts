// What is asked of the nodes of a cluster.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deleteVolume } from '../../../src/cluster/model/volume.js';
import { id } from '../cluster/placement-cluster.js';
import { ControllerHarness } from './controller-harness.js';
import { volume } from './step-cluster.js';

let harness: ControllerHarness;
beforeEach(async () => {
  harness = new ControllerHarness();
  await harness.nodesUp(4);
});
afterEach(() => harness.close());

const stateOf = async (number: number) => (await harness.nodeRecord(number)).state;

describe('a node', () => {
  it('is cordoned, drained, evacuated and back again', async () => {
    for (const [action, state] of [
      ['cordon', 'cordoned'],
      ['drain', 'draining'],
      ['evacuate', 'evacuating'],
      ['uncordon', 'active'],
    ] as const) {
      expect(await harness.nodes.act('node001', action)).toMatchObject({ state, up: true });
      expect(await stateOf(1)).toBe(state);
    }
    await harness.clock.run(100);
    expect(await harness.told()).toContain('node001 NodeChanged');
  });

  it('is found by name and by UUID; of two of one name the one that is not decommissioned', async () => {
    expect(harness.nodes.get(id(2).toUpperCase())).toMatchObject({ name: 'node002' });
    expect(() => harness.nodes.get('node009')).toThrow("the cluster has no node 'node009'");
    await harness.node(1, { state: 'decommissioned' });
    await harness.put(`cluster/nodes/${id(8)}`, await renamed(2, 'node001'));
    await harness.clock.run(100);
    expect(harness.nodes.get('node001').id).toBe(id(8));
    expect(harness.nodes.list().map(({ name }) => name)).toHaveLength(5);
  });

  it('is changed on top of what others changed meanwhile', async () => {
    harness.beforeCommit = async () => {
      harness.beforeCommit = async () => {};
      await harness.node(1, { zone: 'z' });
    };
    await harness.nodes.act('node001', 'cordon');
    expect(await harness.nodeRecord(1)).toMatchObject({ zone: 'z', state: 'cordoned' });
  });

  it('is not known before the store was read', () => {
    const { nodes } = new ControllerHarness();
    expect(() => nodes.list()).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE' }));
  });
});

describe('a node that is taken out', () => {
  const takeOut = () => harness.nodes.act('node003', 'decommission');

  it('has to be evacuated before', async () => {
    await expect(takeOut()).rejects.toMatchObject({ code: 'NODE_STATE' });
    await harness.nodes.act('node003', 'evacuate');
    expect(await takeOut()).toMatchObject({ state: 'decommissioned' });
  });

  it('has no replica any more, by the store: what was seen of it may be old', async () => {
    await harness.nodes.act('node003', 'evacuate');
    await harness.putVolume(volume); // not heard of yet
    await expect(takeOut()).rejects.toThrow('still has 1 replicas');
  });

  it('need not delete what goes anyway when it is away', async () => {
    await harness.nodes.act('node003', 'evacuate');
    await harness.putVolume(deleteVolume(volume));
    await expect(takeOut()).rejects.toThrow('still has 1 replicas');
    await harness.isLost(3);
    await harness.clock.run(100);
    expect(await takeOut()).toMatchObject({ state: 'decommissioned' });
  });

  it('keeps what it has when it is away', async () => {
    await harness.nodes.act('node003', 'evacuate');
    await harness.putVolume(volume);
    await harness.isLost(3);
    await harness.clock.run(100);
    await expect(takeOut()).rejects.toThrow('still has 1 replicas');
  });
});

async function renamed(number: number, name: string): Promise<Uint8Array> {
  const { encodeNode } = await import('../../../src/cluster/model/node-record.js');
  const address = { host: '10.0.0.99', port: 4430 };
  const record = await harness.nodeRecord(number);
  return encodeNode({
    ...record,
    id: id(8),
    name,
    slot: 50,
    addresses: { nvme: address, replication: address },
  });
}
