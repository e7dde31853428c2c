// K12 and K24: the plugin is killed at every step of every call, and at random steps of many. The same calls
// of the next process finish; nothing is formatted twice that was ever mounted; nothing is left.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../support/random.js';
import { blockWriter, mountWriter, statusOf } from './harness.js';
import { NodeHarness, volumeId } from './node-harness.js';

let node: NodeHarness;
beforeEach(async () => {
  node = new NodeHarness();
  await node.start();
});
afterEach(() => node.close());

class Killed extends Error {}

/** Counts steps; throws at the given one. */
function killAt(step: number): { count: number } {
  const seen = { count: 0 };
  const before = () => {
    seen.count += 1;
    if (seen.count === step) throw new Killed();
  };
  node.mounter.before = before;
  node.attacher.before = before;
  return seen;
}

const calls = {
  mount: [
    () => node.stage(),
    () => node.publish({ readonly: true }),
    () => node.unpublish(),
    () => node.unstage(),
  ],
  block: [
    () => node.stage({ volumeCapability: blockWriter }),
    () => node.publish({ volumeCapability: blockWriter }),
    () => node.unpublish(),
    () => node.unstage(),
  ],
};

describe('K12: killed at each step', () => {
  for (const [access, sequence] of Object.entries(calls)) {
    it(`${access}: the same call of the next process finishes`, async () => {
      const counted = killAt(0);
      for (const call of sequence) await call();
      const steps = counted.count;
      expect(steps).toBeGreaterThan(access === 'mount' ? 12 : 5);
      for (let step = 1; step <= steps; step += 1) {
        node.mounter.contents.clear();
        node.mounter.formats.length = 0;
        killAt(step);
        let kills = 0;
        for (const call of sequence) {
          if ((await statusOf(call())) === 'OK') continue;
          kills += 1;
          await node.restart();
          expect(await statusOf(call()), `step ${step}, again`).toBe('OK');
        }
        expect(kills, `step ${step}`).toBe(1);
        expect(node.mounter.formats.length).toBeLessThanOrEqual(2);
        expect(await node.leftovers(), `step ${step}`).toEqual([]);
      }
    });
  }

  it('a call that was cut off and never comes again is taken away by its end', async () => {
    for (let step = 1; step <= 8; step += 1) {
      node.mounter.contents.clear();
      killAt(step);
      expect(await statusOf(node.stage())).not.toBe('OK');
      killAt(0);
      await node.restart();
      await node.unstage();
      const left = await node.leftovers();
      // That formatting was begun is remembered.
      expect(left.filter((one) => !one.startsWith('record'))).toEqual([]);
      await node.records.remove(volumeId);
    }
  });

  it('what was mounted once is never formatted again, wherever the plugin was killed', async () => {
    await node.stage();
    await node.unstage();
    expect(node.mounter.formats).toHaveLength(1);
    for (let step = 1; step <= 12; step += 1) {
      killAt(step);
      await statusOf(node.stage());
      await node.restart();
      await statusOf(node.unstage());
    }
    killAt(0);
    await node.stage();
    expect(node.mounter.formats).toHaveLength(1);
  });
});

describe('K24', () => {
  const volumesCount = 60;
  const rounds = 6;

  it('volumes staged and unstaged in random order with kills leave nothing', async () => {
    const random = new Random(20_261_126);
    const ids = Array.from({ length: volumesCount }, (_, index) =>
      volumeId.replace(/..$/, (index + 16).toString(16).padStart(2, '0')),
    );
    const target = (id: string) => ({ targetPath: node.target(`pod-${id}`) });
    let kills = 0;
    for (let round = 0; round < rounds; round += 1) {
      let left = 5 + random.below(120);
      const before = () => {
        left -= 1;
        if (left === 0) throw new Killed();
      };
      node.mounter.before = before;
      node.attacher.before = before;
      const work = ids.map(async (id) => {
        const volumeCapability = Number.parseInt(id.slice(-2), 16) % 3 === 0 ? blockWriter : mountWriter;
        const all = [
          () => node.stage({ volumeCapability }, id),
          () => node.publish({ volumeCapability, ...target(id) }, id),
          () => node.unpublish(target(id), id),
          () => node.unstage({}, id),
        ];
        for (const call of all.slice(0, random.below(5))) {
          if ((await statusOf(call())) !== 'OK') return;
        }
      });
      await Promise.all(random.shuffled(work));
      if (left <= 0) kills += 1;
      await node.restart();
    }
    expect(kills).toBeGreaterThan(0);
    node.mounter.before = () => undefined;
    node.attacher.before = () => undefined;
    for (const id of random.shuffled(ids)) {
      await node.unpublish(target(id), id);
      await node.unstage({}, id);
      await node.records.remove(id); // where formatting was begun
    }
    expect(await node.leftovers()).toEqual([]);
  });
});
