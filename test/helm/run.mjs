// `npm run test:helm`: the real helm on our chart, and the types of Kubernetes on what we print. Both are
// built by Go into build/helm; without Go nothing is tested, and that is said.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';

const helmVersion = 'v3.22.0';
const folder = resolve('build/helm');

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options });
  return error === undefined && status === 0;
}

if (!run('go', ['version'])) {
  console.log('SKIPPED: the chart was not tested with helm, since there is no Go');
  console.log('0 passed, 0 failed, 1 skipped');
  process.exit(0);
}
mkdirSync(folder, { recursive: true });
const strict = resolve(folder, 'strict');
const built =
  (existsSync(resolve(folder, 'helm')) ||
    run('go', ['install', `helm.sh/helm/v3/cmd/helm@${helmVersion}`], {
      env: { ...process.env, GOBIN: folder },
      cwd: folder,
    })) &&
  run('go', ['build', '-o', strict, '.'], { cwd: 'test/helm/strict' });
if (!built) {
  console.error('test:helm: helm or the strict decoder could not be built');
  process.exit(1);
}
const environment = { ...process.env, BALLAST_HELM: resolve(folder, 'helm'), BALLAST_STRICT: strict };
const args = ['run', '--project', 'unit', 'test/unit/deploy/helm.test.ts'];
process.exit(run('node_modules/.bin/vitest', args, { env: environment }) ? 0 : 1);
