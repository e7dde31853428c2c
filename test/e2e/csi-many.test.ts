// K24 on real devices: volumes that are staged, used, left half-way and unstaged in random order, while
// driver and daemon are killed again and again. Afterwards nothing is left: no mount, loop device, process,
// record, connection, host or volume. 24 volumes here; `npm run test:csi-many` takes 1,000, some minutes.
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountWriter } from '../support/csi-client.js';
import { CsiMachine, missingForCsi, skippedForCsi, type Used } from '../support/csi-machine.js';
import { Random } from '../support/random.js';

const volumesCount = Number(process.env.BALLAST_TEST_VOLUMES ?? 24);
const msMax = 60_000 + volumesCount * 3_000;
/** Each that is staged has a process of its own. */
const atOnce = 8;
const leftMax = 24;
/** Between two kills: each costs the start of a program, which a long run has to get along beside. */
const pauseMsMax = Math.min(6_000, 1_000 + 20 * volumesCount);
const volumeBytes = 16 << 20;
const blockWriter = { block: {}, accessMode: { mode: 'SINGLE_NODE_WRITER' } };

let machine: CsiMachine;
beforeEach(async () => {
  machine = await CsiMachine.create('8GiB');
});
afterEach(() => machine.remove());

/** `work` of each, some at a time; the first error ends it. */
async function forAll<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}

const isBlock = ({ volumeCapability }: Used) => volumeCapability === blockWriter;

/** What a volume holds is its own id. */
async function mark(used: Used, path: string): Promise<void> {
  const file = await open(isBlock(used) ? path : join(path, 'id'), isBlock(used) ? 'r+' : 'w');
  await file.writeFile(used.volumeId);
  await file.sync();
  await file.close();
}

async function markAt(used: Used, path: string): Promise<string> {
  if (!isBlock(used)) return readFile(join(path, 'id'), 'utf8');
  const file = await open(path, 'r');
  const { buffer } = await file.read(Buffer.alloc(used.volumeId.length), 0, used.volumeId.length, 0);
  await file.close();
  return buffer.toString();
}

/** Kills the driver, and at times the daemon, while `work` goes on. */
async function withKills(random: Random, work: () => Promise<void>): Promise<number> {
  let kills = 0;
  let working = true;
  const killing = (async () => {
    while (working) {
      const pause = 300 + random.below(pauseMsMax);
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (!working) break;
      kills += 1;
      if (random.below(4) === 0) {
        await machine.daemon.kill();
        await machine.startDaemon();
      } else {
        await machine.driver.kill();
        await machine.startDriver();
      }
    }
  })();
  try {
    await work();
  } finally {
    working = false;
    await killing;
  }
  return kills;
}

describe.skipIf(missingForCsi.length > 0)(`many volumes${skippedForCsi}`, () => {
  it(
    `K24, K12, K13: ${volumesCount} used in random order with kills leave nothing`,
    async () => {
      const random = new Random(20_261_127);
      const volumes: Used[] = [];
      await forAll(
        Array.from({ length: volumesCount }, (_, index) => index),
        async (index) => {
          const capability = index % 4 === 0 ? blockWriter : mountWriter;
          volumes.push(await machine.createVolume(`v${index}`, volumeBytes, capability));
        },
      );
      const kills = await withKills(random, async () => {
        // Used for the first time; some are left published, some staged.
        let left = 0;
        await forAll(random.shuffled(volumes), async (used) => {
          await mark(used, await machine.use(used));
          const leaves = left < leftMax ? random.below(4) : 3;
          if (leaves < 2) left += 1;
          if (leaves === 0) return;
          await machine.unpublish(used);
          if (leaves > 1) await machine.unstage(used);
        });
        // What each holds is what was written to it; then away with it, each call twice.
        await forAll(random.shuffled(volumes), async (used) => {
          expect(await markAt(used, await machine.use(used))).toBe(used.volumeId);
          for (const _ of [1, 2]) await machine.unpublish(used);
          for (const _ of [1, 2]) await machine.unstage(used);
        });
      });
      expect(kills).toBeGreaterThan(2);
      expect(await machine.leftOnNode()).toEqual([]);
      const { volumes: bodies } = (await machine.api('/v1/volumes')).body;
      expect(bodies.map(({ hosts }: { hosts?: readonly unknown[] }) => hosts ?? [])).toEqual(
        volumes.map(() => []),
      );
      const { controllers, transport } = (await machine.api('/v1/node')).body;
      expect([controllers, transport.connections]).toEqual([0, 0]);
      await forAll(random.shuffled(volumes), (used) => machine.deleteVolume(used));
      expect((await machine.csi.call('Controller', 'ListVolumes')).entries).toEqual([]);
      console.log(`K24: ${volumesCount} volumes, ${kills} kills`);
    },
    msMax,
  );
});
