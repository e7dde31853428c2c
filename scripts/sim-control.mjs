// The simulation of the control plane: npm run sim:control -- --seeds N --from S [--steps N] [--trace].
// Prints JSON: what was run, and of each seed that failed what went wrong and the last of what happened.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createViteServer } from 'vitest/node';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    steps: { type: 'string', default: '60' },
    trace: { type: 'boolean', default: false },
  },
});
const [seeds, from, steps] = [whole(values.seeds), whole(values.from), whole(values.steps)];
const server = await createViteServer({
  ...{ root: resolve('.'), configFile: false, logLevel: 'error', appType: 'custom' },
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
  optimizeDeps: { noDiscovery: true, include: [] },
});
const { simulate } = await server.ssrLoadModule('/test/sim/control-plane/simulation.ts');
const begin = performance.now();
const results = [];
for (let seed = from; seed < from + seeds; seed += 1) {
  const result = await simulate({ seed, steps });
  results.push(result);
  if (!result.ok) console.error(`seed ${seed}: ${result.failures[0]}`);
}
const failed = results.filter(({ ok }) => !ok);
const sum = (of) => results.reduce((total, result) => total + of(result), 0);
const report = {
  ...{ from, seeds, steps, failed: failed.length },
  volumes: sum(({ volumes }) => volumes),
  snapshots: sum(({ snapshots }) => snapshots),
  carried: sum(({ carried }) => carried),
  clones: sum(({ clones }) => clones),
  restored: results.filter(({ restored }) => restored).length,
  rebuilt: sum(({ rebuilt }) => rebuilt),
  stale: sum(({ stale }) => stale),
  leftOut: sum(({ leftOut }) => leftOut),
  virtualSeconds: Math.round(sum(({ virtualSeconds }) => virtualSeconds)),
  seconds: Number(((performance.now() - begin) / 1000).toFixed(1)),
  sums: results.map((result) => result.sum),
  failures: failed.map(({ trace, ...rest }) => (values.trace ? { ...rest, trace } : rest)),
};
console.log(JSON.stringify(report, undefined, 1));
await server.close();
process.exit(failed.length === 0 ? 0 : 1);

function whole(text) {
  if (!/^\d{1,9}$/.test(text)) {
    console.error(`sim:control: a whole number, not '${text}'`);
    process.exit(2);
  }
  return Number(text);
}
