// Which hosts may use a volume of a cluster, and which nodes do not keep to that yet.
import { describe, expect, it } from 'vitest';
import type { NodeVolumeFacts } from '../../../src/cluster/model/facts.js';
import { deleteVolume, removeReplica, type VolumeRecord } from '../../../src/cluster/model/volume.js';
import { decodeVolume, encodeVolume } from '../../../src/cluster/model/volume-record.js';
import type { ClusterSnapshot } from '../../../src/controller/cluster-state.js';
import { nodesBehind, withHost, withoutHost } from '../../../src/controller/host-grants.js';
import type { MirrorRecord } from '../../../src/native/mirror-types.js';
import { good, id, nodeOf } from '../cluster/placement-cluster.js';
import { mirror, replicaOf, volume } from './step-cluster.js';

const [one, two] = ['nqn.2026-11.dev.ballast:one', 'nqn.2026-11.dev.ballast:two'] as const;
const closed: VolumeRecord = { ...volume, hosts: [] };

describe('a grant', () => {
  it('closes a volume that any host may use, and again is nothing', () => {
    const granted = withHost(volume, one, false);
    expect(granted.hosts).toEqual([one]);
    expect(withHost(granted, one, false)).toBe(granted);
    expect(withHost(granted, two, false).hosts).toEqual([one, two]);
  });

  it('to one host alone keeps a second one out, until it ends', () => {
    const alone = withHost(closed, one, true);
    expect(withHost(alone, one, true)).toBe(alone);
    for (const exclusive of [true, false]) {
      expect(() => withHost(alone, two, exclusive)).toThrow(
        expect.objectContaining({ code: 'HOST_CONFLICT', message: expect.stringContaining(one) }),
      );
    }
    const ended = withoutHost(alone, one);
    expect(ended).toEqual(closed);
    expect(withHost(ended, two, false)).not.toHaveProperty('exclusive');
  });

  it('to one host alone is refused while another one has it', () => {
    expect(() => withHost(withHost(closed, one, false), two, true)).toThrow(
      expect.objectContaining({ code: 'HOST_CONFLICT' }),
    );
  });

  it('is refused of a volume that is being deleted', () => {
    expect(() => withHost(deleteVolume(closed), one, true)).toThrow(
      expect.objectContaining({ code: 'CLUSTER_VOLUME_STATE' }),
    );
  });

  it('is in the record as it was put there', () => {
    const alone = withHost(closed, one, true);
    expect(decodeVolume('key', encodeVolume(alone))).toEqual(alone);
    const broken = encodeVolume({ ...alone, hosts: [one, two] });
    expect(() => decodeVolume('key', broken)).toThrow(/to one alone/);
  });
});

describe('the end of a grant', () => {
  it('leaves the others, and again is nothing', () => {
    const left = withoutHost({ ...volume, hosts: [one, two] }, one);
    expect(left.hosts).toEqual([two]);
    expect(withoutHost(left, one)).toBe(left);
  });

  it('is refused where any host may use it: nobody would be kept out', () => {
    expect(() => withoutHost(volume, one)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('nodes that do not keep to a record yet', () => {
  const revision = 40n;
  const said = (number: number, more: Partial<NodeVolumeFacts> = {}): NodeVolumeFacts => ({
    ...{ replica: replicaOf(number), state: 'standby', hostsRevision: revision },
    ...more,
  });
  const all = [1, 2, 3].map((number) => said(number));

  function behind(
    facts: readonly (NodeVolumeFacts | undefined)[],
    change: Partial<MirrorRecord> | 'lost' = {},
    record = volume,
  ): readonly string[] {
    const mirrors = change === 'lost' ? [] : [['db', { volumeUuid: '', record: { ...mirror, ...change } }]];
    const numbers = facts.map((_, index) => index + 1);
    const snapshot: ClusterSnapshot = {
      nodes: new Map(numbers.map((number) => [id(number), { record: nodeOf(number, good), revision: 1n }])),
      facts: new Map(
        facts.flatMap((volumeFacts, index) =>
          volumeFacts === undefined ? [] : [[id(index + 1), { version: '1', started: '', pools: [] }]],
        ),
      ),
      volumeFacts: new Map(
        facts
          .map((one) => one ?? said(9))
          .map((one, index) => [id(index + 1), new Map([[volume.name, one]])]),
      ),
      volumes: new Map(),
      mirrors: new Map(mirrors as never),
      snapshots: new Map(),
      lostSinceMs: new Map(),
      refusals: new Map(),
    };
    return nodesBehind(record, revision, snapshot);
  }

  it('are none when all say so, of this or a later one', () => {
    expect(behind(all)).toEqual([]);
    expect(behind(all.map((one) => ({ ...one, hostsRevision: 41n })))).toEqual([]);
  });

  it('are those that say less, also one that is not the head', () => {
    expect(behind([said(1, { hostsRevision: 39n }), said(2), said(3)])).toEqual(['node001']);
    const { hostsRevision: _none, ...silent } = said(3);
    expect(behind([said(1), said(2), silent])).toEqual(['node003']);
    expect(behind([said(1), said(2, { replica: replicaOf(9) }), said(3)])).toEqual(['node002']);
  });

  it('are of those that are away only the head', () => {
    expect(behind([said(1), undefined, undefined])).toEqual([]);
    expect(behind([undefined, said(2), said(3)])).toEqual(['node001']);
    expect(behind([undefined, said(2), said(3)], { headStopped: true })).toEqual([]);
    expect(behind([undefined, said(2), said(3)], { head: id(2) })).toEqual([]); // it was taken over
    expect(behind([undefined, said(2), said(3)], 'lost')).toEqual(['node001']); // nobody knows
  });

  it('are also those that the volume leaves, until its data there is gone', () => {
    const leaving = removeReplica(volume, replicaOf(3));
    expect(behind([said(1), said(2), said(3, { hostsRevision: 1n })], {}, leaving)).toEqual(['node003']);
    const gone = said(3, { state: 'discarded', hostsRevision: 1n });
    expect(behind([said(1), said(2), gone], {}, leaving)).toEqual([]);
  });
});
