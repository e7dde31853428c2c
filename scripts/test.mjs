// `npm test`: every step in turn, then one line `N passed, N failed[, N skipped]`. Exits 1 if any failed.
//   node scripts/test.mjs [tidy|typecheck|native|sim|tsan|unit|e2e|fuzz|vm]...   (default: all but tsan)
import { mkdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { buildNativeTests } from './test-runner/native-build.mjs';
import { run } from './test-runner/process.mjs';
import { junitOf, lastLineOf, one, resultLine, sum } from './test-runner/results.mjs';
import { runTidy } from './tidy.mjs';

const results = 'build/test-results';
const fuzzSeconds = 60;
const simulatedSeeds = 5000;

const steps = {
  tidy,
  typecheck,
  native: () => native('address'),
  sim,
  unit,
  e2e,
  fuzz,
  vm,
  tsan: () => native('thread'),
};
const standard = ['tidy', 'typecheck', 'native', 'sim', 'unit', 'e2e', 'fuzz', 'vm'];

async function tidy() {
  return sum(
    runTidy(resolve('.')).map(({ name, skipped, findings }) => {
      for (const { path, line, message } of findings) console.log(`${path}:${line}: ${message} [${name}]`);
      return one(`tidy: ${name}`, findings.length === 0, skipped);
    }),
  );
}

async function typecheck() {
  const status = await run('node_modules/.bin/tsc', ['--noEmit', '-p', 'tsconfig.test.json'], { minutes: 3 });
  return one('typecheck', status === 0);
}

async function native(sanitizer) {
  const step = `native (${sanitizer} sanitizer)`;
  const { ok, folder } = await buildNativeTests(sanitizer);
  if (!ok) return one(`${step}: build`, false);
  const file = resolve(results, `native-${sanitizer}.xml`);
  const jobs = String(availableParallelism());
  const args = [
    '--test-dir',
    folder,
    '--output-on-failure',
    '--output-junit',
    file,
    '-j',
    jobs,
    '--no-tests=error',
  ];
  const counts = junitOf(step, file, await run('ctest', args, { minutes: 15, show: 'nothing' }));
  for (const { name, text } of counts.details) console.log(`-- ${name}\n${text}`);
  return counts;
}

function unit() {
  return vitest('unit', 12);
}

function e2e() {
  return vitest('e2e', 10);
}

async function vitest(project, minutes) {
  const file = resolve(results, `${project}.xml`);
  const args = [
    'run',
    '--project',
    project,
    '--reporter=dot',
    '--reporter=junit',
    `--outputFile.junit=${file}`,
  ];
  return junitOf(project, file, await run('node_modules/.bin/vitest', args, { minutes }));
}

async function sim() {
  const runs = async (name, args) =>
    one(`sim: ${name}`, (await run(process.execPath, ['scripts/sim.mjs', ...args], { minutes: 25 })) === 0);
  return sum([
    await runs(`${simulatedSeeds} seeds`, [
      '--seeds-of',
      'test/sim/regression-seeds.txt',
      '--seeds',
      String(simulatedSeeds),
    ]),
    await runs('every crash of short runs', ['--exhaustive', '0']),
    await runs('model of takeovers', ['--model', 'short']),
  ]);
}

async function fuzz() {
  const status = await run('scripts/fuzz', ['--seconds', String(fuzzSeconds)], { minutes: 15 });
  return one(`fuzz: ${fuzzSeconds} s of PDUs`, status === 0);
}

async function vm() {
  let output = '';
  const onOutput = (text) => {
    output = (output + text).slice(-100_000);
  };
  const status = await run('test/vm/run', ['--short'], { minutes: 15, onOutput });
  return lastLineOf('vm', output, status);
}

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !Object.hasOwn(steps, name));
if (unknown !== undefined) {
  console.error(`test: unknown step '${unknown}' (known: ${Object.keys(steps).join(', ')})`);
  process.exit(2);
}
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });
const all = [];
for (const name of wanted.length > 0 ? wanted : standard) {
  console.log(`== ${name}`);
  const begin = performance.now();
  const counts = await steps[name]();
  all.push(counts);
  console.log(`== ${name}: ${resultLine(counts)} in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}
const total = sum(all);
for (const name of total.skips) console.log(`skipped: ${name}`);
for (const name of total.failures) console.log(`FAILED: ${name}`);
console.log(resultLine(total));
process.exit(total.failed === 0 ? 0 : 1);
