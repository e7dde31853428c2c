// A disk whose writes take long, or do not end while the fault lasts.
import { setTimeout as sleep } from 'node:timers/promises';
import type { DrillDefinition, Fault, Scene } from '../fault.js';
import { FrozenDisks } from '../frozen-disks.js';
import { nodeBesideHead } from './nodes.js';

const frozenMs = 300;
const thawedMs = 30;

export const slowDisk: DrillDefinition = {
  name: 'slow-disk',
  what:
    'The file system below the disk of a node is frozen (fsfreeze), so its writes wait in the kernel. Odd ' +
    'rounds: of a node that is not head, all the time, which is more than the latency budget of a member: ' +
    'it is left out. Even ones: of the head, 0.3 s of each 0.33 s, which is within it. Reads do not wait.',
  gapTargetMs: 6_000,
  holdMsMin: 8_000,
  needsFrozenDisks: true,
  unavailable: FrozenDisks.unavailable,
  fault: (scene) => (scene.round % 2 === 1 ? stalled(scene, nodeBesideHead(scene)) : slow(scene)),
};

function stalled({ cluster, timeline }: Scene, node: string): Fault {
  return {
    async inject() {
      timeline.add('fault', `writes of ${node} wait`);
      await cluster.disks?.freeze(node);
    },
    async heal() {
      timeline.add('heal', `writes of ${node} go on`);
      await cluster.disks?.thaw(node);
    },
  };
}

function slow({ cluster, timeline, before: { head }, signal }: Scene): Fault {
  let isOver = false;
  let waving = Promise.resolve();
  const wave = async () => {
    while (!isOver && !signal.aborted) {
      await cluster.disks?.freeze(head);
      await sleep(frozenMs);
      await cluster.disks?.thaw(head);
      await sleep(thawedMs);
    }
  };
  return {
    async inject() {
      timeline.add('fault', `writes of ${head}, the head, take up to ${frozenMs} ms`);
      waving = wave();
      waving.catch(() => undefined); // heal() tells it
    },
    async heal() {
      isOver = true;
      await waving;
      timeline.add('heal', `writes of ${head} are as before`);
    },
  };
}
