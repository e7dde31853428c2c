// Builds native test binaries with a sanitizer: build/asan (with UBSan) or build/tsan. As a program:
//   node native-build.mjs address|thread [targets]
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './process.mjs';

const folders = { address: 'build/asan', thread: 'build/tsan' };

/** @returns {Promise<{ ok: boolean, folder: string }>} */
export async function buildNativeTests(sanitizer, targets = []) {
  const folder = folders[sanitizer];
  // -O1: the sanitizers' own choice between the time to compile and the time to run.
  const configure = [
    '-G',
    'Ninja',
    '-S',
    '.',
    '-B',
    folder,
    '-DBALLAST_TESTS=ON',
    `-DBALLAST_SANITIZER=${sanitizer}`,
  ];
  const flags = [
    '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
    '-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1',
    '--log-level=WARNING',
  ];
  const minutes = 25;
  const options = [...configure, ...flags];
  // A cache that names a tool or a path of yesterday is thrown away once.
  const configured =
    (await run('cmake', options, { minutes, show: 'failure' })) === 0 ||
    (await run('cmake', ['--fresh', ...options], { minutes })) === 0;
  if (!configured) return { ok: false, folder };
  const targetOptions = targets.length > 0 ? ['--target', ...targets] : [];
  const status = await run('cmake', ['--build', folder, ...targetOptions], { minutes, show: 'failure' });
  return { ok: status === 0, folder };
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === resolve(process.argv[1])) {
  const [sanitizer = 'address', ...targets] = process.argv.slice(2);
  process.exit((await buildNativeTests(sanitizer, targets)).ok ? 0 : 1);
}
