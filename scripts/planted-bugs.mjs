// Plants the bugs of native/bdev/pool/planted.h one at a time and requires that the tests of the pool find
// each, its simulation first: npm run test:planted [-- NUMBER ...]. Prints which walk or test found it, and
// exits 1 if one is not found. BALLAST_SIM_SEEDS: walks to try, 3000 if not given.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildNativeTests } from './test-runner/native-build.mjs';

const seeds = process.env.BALLAST_SIM_SEEDS ?? '3000';
const walk = 'PoolSimulation.what_a_random_walk_reads_is_what_was_written';

/** The names in the order of the enumeration, with `none` at 0. */
function plantedBugs() {
  const header = readFileSync('native/bdev/pool/planted.h', 'utf8');
  const body = header.slice(header.indexOf('enum class Planted'), header.indexOf('#ifdef'));
  return [...body.matchAll(/^ {2}(\w+),/gm)].map((match) => match[1]);
}

/** What the tests say with this bug on. */
function run(number, filter, environment) {
  const ended = spawnSync(binary, [`--gtest_filter=${filter}`], {
    encoding: 'utf8',
    timeout: 600_000,
    env: { ...process.env, BALLAST_PLANTED_BUG: String(number), ...environment },
  });
  return { found: ended.status !== 0, text: `${ended.stdout}${ended.stderr}` };
}

function describe(text) {
  const lines = text.split('\n').map((line) => line.trim());
  const assertion = lines.find((line) => line.includes('assertion failed'));
  const wrong = lines.find((line) => line.startsWith('Which is: "'));
  const said =
    assertion ?? wrong?.slice('Which is: '.length) ?? lines.find((line) => line.includes('FAILED'));
  return (said ?? 'it does not end').slice(0, 110);
}

/** How the bug shows, or undefined. */
function find(number) {
  const walked = run(number, walk, { BALLAST_SIM_SEEDS: seeds });
  const seed = /BALLAST_SIM_SEED=(\d+)/.exec(walked.text)?.[1];
  if (walked.found) return `walk ${seed}: ${describe(walked.text)}`;
  const tested = run(number, `-${walk}`, {});
  if (!tested.found) return undefined;
  const test = /\[ {2}FAILED {2}\] (\S+)/.exec(tested.text)?.[1] ?? 'a test';
  return `${test}: ${describe(tested.text)}`;
}

const { ok, folder } = await buildNativeTests('planted', ['bdev_pool_test']);
if (!ok) process.exit(1);
const binary = join(folder, 'test/native/bdev_pool/bdev_pool_test');
// Otherwise all would seem to be found.
const without = run(0, '*', { BALLAST_SIM_SEEDS: seeds });
if (without.found) {
  console.error(`the tests fail without a bug: ${describe(without.text)}`);
  process.exit(1);
}
const asked = process.argv.slice(2).map(Number);
let missed = 0;
for (const [number, name] of plantedBugs().entries()) {
  if (number === 0 || (asked.length > 0 && !asked.includes(number))) continue;
  const how = find(number);
  if (how === undefined) missed += 1;
  console.log(`${String(number).padStart(2)} ${name.padEnd(24)} ${how ?? 'NOT FOUND'}`);
}
process.exit(missed === 0 ? 0 : 1);
