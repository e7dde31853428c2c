// What is wanted of a node: made anew only where something has changed.
import { describe, expect, it } from 'vitest';
import { Wanted } from '../../../src/agent/wanted.js';
import type { NodeFacts } from '../../../src/cluster/model/facts.js';
import { joinNode, type NodeRecord } from '../../../src/cluster/model/node.js';
import { createVolume, type VolumeRecord } from '../../../src/cluster/model/volume.js';
import type { Stored } from '../../../src/cluster/view/cluster-view.js';

const uuid = (letter: string) => `${letter.repeat(8)}-1111-2222-3333-444444444444`;
const here = uuid('1');
const there = uuid('2');

function nodeOf(id: string, host: string, revision: bigint): [string, Stored<NodeRecord>] {
  const address = { host, port: 4430 };
  const joining = {
    ...{ id, name: `n${id[0]}`, addresses: { nvme: address, replication: address } },
    ...{ hostNqn: `nqn.2026-11.dev.ballast:host:${id[0]}`, labels: {} },
  };
  return [id, { record: joinNode(joining, [], new Date(0)), revision }];
}

function volumeOf(name: string, nodes: readonly string[]): [string, Stored<VolumeRecord>] {
  const wishes = { replicas: nodes.length, minInSync: 1, thick: false, spread: 'prefer-zone' as const };
  const id = uuid(name);
  const record = createVolume(
    {
      ...{ name, uuid: id, nqn: `nqn.2026-11.dev.ballast:volume:${id}`, wishes },
      ...{ sizeBytes: 1n << 24n, blockSizeBytes: 4096 },
    },
    nodes.map((node) => ({ uuid: id.replace('1111', node.slice(0, 4)), node, pool: 'p' })),
    new Date(0),
  );
  return [name, { record, revision: 1n }];
}

function cluster() {
  return {
    nodes: new Map([nodeOf(here, '127.0.0.1', 1n), nodeOf(there, '127.0.0.2', 2n)]),
    volumes: new Map([volumeOf('a', [here, there]), volumeOf('b', [here]), volumeOf('c', [there])]),
    facts: new Map<string, NodeFacts>(),
  };
}

describe('what is wanted of a node', () => {
  it('is of the volumes of which it keeps a replica', () => {
    expect(new Wanted(here).of(cluster()).map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('is the same object while nothing has changed, and another one of a volume that has', () => {
    const [wanted, records] = [new Wanted(here), cluster()];
    const [a, b] = wanted.of(records);
    const before = records.volumes.get('b') as Stored<VolumeRecord>;
    records.volumes.set('b', { record: { ...before.record, head: here }, revision: 9n });
    const [sameA, otherB] = wanted.of(records);
    expect(sameA).toBe(a);
    expect(otherB).not.toBe(b);
    expect(otherB?.head).toBe(here);
  });

  it('is made anew when a node comes up, goes, or has another address', () => {
    const [wanted, records] = [new Wanted(here), cluster()];
    const ofOther = () => wanted.of(records)[0]?.replicas[1];
    expect(ofOther()).toMatchObject({ up: false, address: { host: '127.0.0.2' } });
    records.facts.set(there, {} as NodeFacts);
    expect(ofOther()).toMatchObject({ up: true });
    records.facts.delete(there);
    expect(ofOther()).toMatchObject({ up: false });
    records.nodes.set(...nodeOf(there, '127.0.0.9', 3n));
    expect(ofOther()).toMatchObject({ address: { host: '127.0.0.9' } });
  });

  it('is nothing of a volume that is gone, and of one that came back under its name the new one', () => {
    const [wanted, records] = [new Wanted(here), cluster()];
    wanted.of(records);
    records.volumes.delete('b');
    expect(wanted.of(records).map(({ name }) => name)).toEqual(['a']);
    records.volumes.set(...volumeOf('b', [here]));
    expect(wanted.of(records).map(({ name }) => name)).toEqual(['a', 'b']);
  });
});
