// Builds native test binaries: with a sanitizer in build/asan (with UBSan) or build/tsan, or with the bugs of
// planted.h to be switched on in build/planted, or as they are in build/plain. As a program:
//   node native-build.mjs address|thread|planted|plain [targets]
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './process.mjs';

// -O1: the sanitizers' own choice between the time to compile and the time to run.
const quick = '-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1';
const kinds = {
  address: { folder: 'build/asan', flags: ['-DBALLAST_SANITIZER=address', quick] },
  thread: { folder: 'build/tsan', flags: ['-DBALLAST_SANITIZER=thread', quick] },
  planted: { folder: 'build/planted', flags: ['-DBALLAST_PLANTED_BUGS=ON'] },
  plain: { folder: 'build/plain', flags: [] },
};

/**
 * @param {keyof typeof kinds} kind
 * @returns {Promise<{ ok: boolean, folder: string }>}
 */
export async function buildNativeTests(kind, targets = []) {
  const { folder, flags } = kinds[kind];
  const where = ['-G', 'Ninja', '-S', '.', '-B', folder];
  const always = ['-DBALLAST_TESTS=ON', '-DCMAKE_BUILD_TYPE=RelWithDebInfo', '--log-level=WARNING'];
  const options = [...where, ...always, ...flags];
  const minutes = 25;
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
  const [kind = 'address', ...targets] = process.argv.slice(2);
  process.exit((await buildNativeTests(kind, targets)).ok ? 0 : 1);
}
