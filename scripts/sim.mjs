// Builds the replication simulator and runs it: npm run sim -- [options], --help lists them.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildNativeTests } from './test-runner/native-build.mjs';

const { ok, folder } = await buildNativeTests('plain', ['ballast_sim']);
if (!ok) process.exit(1);
const { status } = spawnSync(join(folder, 'test/sim/ballast_sim'), process.argv.slice(2), {
  stdio: 'inherit',
});
process.exit(status ?? 1);
