import { describe, expect, it } from 'vitest';
import { describeVolume, whyNotWhole } from '../../../src/drills/cluster/api.js';
import { VolumeWatch } from '../../../src/drills/cluster/volume-watch.js';
import { compareMembers } from '../../../src/drills/members.js';
import { Timeline } from '../../../src/drills/report/timeline.js';
import { until } from '../../../src/drills/until.js';
import { FakeClusterApi, wholeVolume } from '../../support/fake-drill-cluster.js';

const [n1, n2, n3] = wholeVolume.replicas;
const joining = { ...n3!, inSync: false, state: 'joining' };
const { head: _, ...headless } = wholeVolume;

describe('a volume of a cluster', () => {
  it('is whole with a head and all replicas in sync', () => {
    expect(whyNotWhole(wholeVolume)).toBeUndefined();
    expect(whyNotWhole({ ...headless, state: 'creating', replicas: [n1!, n2!, joining] })).toBe(
      'the volume is creating, no node is its head, the replica of n3 is not in sync (joining)',
    );
  });

  it('is told in a line', () => {
    expect(describeVolume(wholeVolume)).toBe('head n1, in sync n1 n2 n3');
    expect(describeVolume({ ...headless, replicas: [joining] })).toBe('head none, in sync none, n3 joining');
  });

  it('is watched: what changes is noted once, and what is copied is counted', async () => {
    const api = new FakeClusterApi();
    const timeline = new Timeline();
    const answers = [
      () => wholeVolume,
      () => wholeVolume,
      () => ({ ...wholeVolume, replicas: [{ ...joining, resync: { doneBytes: 100, totalBytes: 300 } }] }),
      () => ({ ...wholeVolume, replicas: [{ ...joining, resync: { doneBytes: 250, totalBytes: 300 } }] }),
      // A copy from its beginning.
      () => ({ ...wholeVolume, replicas: [{ ...joining, resync: { doneBytes: 40, totalBytes: 300 } }] }),
      () => {
        api.isReachable = false;
        return FakeClusterApi.prototype.volume.call(api);
      },
    ];
    let looks = 0;
    let over = () => {};
    const all = new Promise<void>((resolve) => {
      over = resolve;
    });
    const volume = async () => {
      const answer = answers[looks] ?? answers.at(-1);
      looks += 1;
      if (looks > answers.length) over();
      return answer!();
    };
    const watch = new VolumeWatch({ volume }, 'v', timeline);
    await all;
    await watch.end();
    expect(watch.resyncedBytes).toBe(290);
    expect(timeline.events(0n).map(({ text }) => text)).toEqual([
      'head n1, in sync n1 n2 n3',
      'head n1, in sync none, n3 joining',
      'the control plane does not answer',
    ]);
  });
});

describe('waiting', () => {
  const signal = new AbortController().signal;

  it('ends when there is nothing against it', async () => {
    const answers = ['one', 'two', undefined];
    await until('it is so', { timeoutMs: 20_000, intervalMs: 1, signal }, async () => answers.shift());
    expect(answers).toEqual([]);
  });

  it('says how things stand when time is up', async () => {
    const look = async () => 'n1 is down';
    await expect(until('all is up', { timeoutMs: 10, intervalMs: 1, signal }, look)).rejects.toThrow(
      'all is up: not within 0.01 s; n1 is down',
    );
  });

  it('ends when it is given up', async () => {
    const aborted = AbortSignal.abort();
    const look = async () => 'never';
    await expect(until('it', { timeoutMs: 20_000, signal: aborted }, look)).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

describe('members', () => {
  const compare = (contents: Record<string, readonly string[]>) =>
    compareMembers({ digests: async (device) => contents[device] ?? [] }, wholeVolume, (name) => ({
      disk: name,
    }));

  it('are equal when all of them are', async () => {
    const same = ['a', 'b'];
    expect(await compare({ n1: same, n2: same, n3: same })).toEqual({
      ...{ equal: true, bytes: 2 << 20 },
      text: 'the replicas of n1, n2, n3 are equal in all 2097152 bytes',
    });
  });

  it.each([
    ['other content', ['a', 'c']],
    ['a shorter one', ['a']],
    ['a longer one', ['a', 'b', 'c']],
  ])('are not with %s', async (_what, other) => {
    const found = await compare({ n1: ['a', 'b'], n2: ['a', 'b'], n3: other });
    expect(found).toMatchObject({ equal: false, text: expect.stringContaining('of n1 and n3') });
  });
});
