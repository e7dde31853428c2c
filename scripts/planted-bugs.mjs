// Plants the bugs of a room's planted.h one at a time and requires that its tests find each, the simulation
// first: npm run test:planted [-- pool|mirror [NUMBER|NAME ...]]. Prints which seed or test found it; exits 1
// if one is not found. BALLAST_SIM_SEEDS: how many seeds are tried.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildNativeTests } from './test-runner/native-build.mjs';

const walk = 'PoolSimulation.what_a_random_walk_reads_is_what_was_written';
const minuteMs = 60_000;

/** Of each room: what is built, how its tests are run with a bug on, and how it is said what they found. */
const rooms = {
  pool: {
    target: 'bdev_pool_test',
    program: 'test/native/bdev_pool/bdev_pool_test',
    seeds: '3000',
    check: (run, seeds) => run(0, ['--gtest_filter=*'], { BALLAST_SIM_SEEDS: seeds }),
    find(run, number, seeds) {
      const walked = run(number, [`--gtest_filter=${walk}`], { BALLAST_SIM_SEEDS: seeds });
      const seed = /BALLAST_SIM_SEED=(\d+)/.exec(walked.text)?.[1];
      if (walked.found) return `walk ${seed}: ${describe(walked.text)}`;
      const tested = run(number, [`--gtest_filter=-${walk}`], {});
      if (!tested.found) return undefined;
      const test = /\[ {2}FAILED {2}\] (\S+)/.exec(tested.text)?.[1] ?? 'a test';
      return `${test}: ${describe(tested.text)}`;
    },
  },
  mirror: {
    target: 'ballast_sim',
    also: 'bdev_mirror_test',
    program: 'test/sim/ballast_sim',
    seeds: '20000',
    check: (run) => run(0, ['--seeds', '1000'], {}),
    find(run, number, seeds) {
      const { found, text } = run(number, ['--seeds', seeds, '--until-failure'], {});
      const [, seed, why] = /^seed (\d+), \d+ nodes: (.*)$/m.exec(text) ?? [];
      if (found) return `seed ${seed}: ${(why ?? describe(text)).slice(0, 100)}`;
      const tested = run(number, [], {}, 'test/native/bdev_mirror/bdev_mirror_test');
      if (tested.found) {
        const test = /\[ {2}FAILED {2}\] (\S+)/.exec(tested.text)?.[1];
        return [test, describe(tested.text)].filter(Boolean).join(': ');
      }
      for (const scope of ['0', '1,2,2,1', '2,2,1,2', '3,2,1,2']) {
        const searched = run(number, ['--exhaustive', scope], {});
        const [, runs] = /, (\d+) runs,/.exec(searched.text) ?? [];
        const [, case_] = /^exhaustive: (.*)$/m.exec(searched.text) ?? [];
        if (searched.found) return `exhaustive ${scope}, run ${runs}: ${(case_ ?? '').slice(0, 80)}`;
      }
      return undefined;
    },
  },
};

/** The names in the order of the enumeration, with `none` at 0. */
function plantedBugs(room) {
  const header = readFileSync(`native/bdev/${room}/planted.h`, 'utf8');
  const body = header.slice(header.indexOf('enum class Planted'));
  return [...body.matchAll(/^ {2}(\w+),/gm)].map((match) => match[1]);
}

function describe(text) {
  const lines = text.split('\n').map((line) => line.trim());
  const assertion = lines.find((line) => line.includes('assertion failed'));
  const wrong = lines.find((line) => line.startsWith('Which is: "'));
  const said =
    assertion ?? wrong?.slice('Which is: '.length) ?? lines.find((line) => line.includes('FAILED'));
  return (said ?? 'it ends without a word').slice(0, 110);
}

const words = process.argv.slice(2);
const name = Object.hasOwn(rooms, words[0] ?? '') ? words.shift() : 'pool';
const room = rooms[name];
const names = plantedBugs(name);
const asked = words.map((word) => (names.includes(word) ? names.indexOf(word) : Number(word)));
if (asked.some(Number.isNaN)) {
  console.error(`planted-bugs: which is not pool, mirror, a bug or its number: ${words.join(' ')}`);
  process.exit(2);
}
const targets = room.also === undefined ? [room.target] : [room.target, room.also];
const { ok, folder } = await buildNativeTests('planted', targets);
if (!ok) process.exit(1);

/** What the tests say with this bug on; nothing is found by time that is over, as on a busy machine. */
function run(number, args, environment, program = room.program) {
  const ended = spawnSync(join(folder, program), args, {
    encoding: 'utf8',
    timeout: 10 * minuteMs,
    maxBuffer: 1 << 28,
    env: { ...process.env, BALLAST_PLANTED_BUG: String(number), ...environment },
  });
  const isOver = ended.error?.code === 'ETIMEDOUT';
  return { found: ended.status !== 0 && !isOver, isOver, text: `${ended.stdout}${ended.stderr}` };
}

const seeds = process.env.BALLAST_SIM_SEEDS ?? room.seeds;
// Otherwise all would seem to be found.
const without = room.check(run, seeds);
if (without.found || without.isOver) {
  const why = without.isOver ? 'take too long' : 'fail';
  console.error(`the tests ${why} without a bug: ${describe(without.text)}`);
  process.exit(1);
}
let missed = 0;
const foundBySeed = [];
for (const [number, bug] of names.entries()) {
  if (number === 0 || (asked.length > 0 && !asked.includes(number))) continue;
  const how = room.find(run, number, seeds);
  if (how === undefined) missed += 1;
  const [, seed] = /^(?:seed|walk) (\d+)/.exec(how ?? '') ?? [];
  if (seed !== undefined) foundBySeed.push(Number(seed));
  console.log(`${String(number).padStart(2)} ${bug.padEnd(26)} ${how ?? 'NOT FOUND'}`);
}
foundBySeed.sort((a, b) => a - b);
const median = foundBySeed[Math.floor(foundBySeed.length / 2)];
console.log(`${foundBySeed.length} by a seed, the median of them ${median}; not found: ${missed}`);
process.exit(missed === 0 ? 0 : 1);
