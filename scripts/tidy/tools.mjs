// The two checks that are programs of their own: clang-format and biome.
import { spawnSync } from 'node:child_process';

/** Undefined where clang-format 16 is not installed: other versions format otherwise. */
export function clangFormat(files, top) {
  const paths = files
    .map(({ path }) => path)
    .filter((path) => /^(?:native|test|bench)\/.+\.(?:h|cc)$/.test(path));
  if (paths.length === 0) return [];
  const run = spawnSync('clang-format-16', ['--dry-run', ...paths], {
    cwd: top,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (run.error?.code === 'ENOENT') return undefined;
  const seen = new Map();
  for (const match of run.stderr.matchAll(/^(.+?):(\d+):\d+: warning: code should be clang-formatted/gm)) {
    if (!seen.has(match[1])) seen.set(match[1], Number(match[2]));
  }
  return [...seen].map(([path, line]) => ({ path, line, message: 'clang-format-16 -i changes this file' }));
}

export function biome(_files, top) {
  const run = spawnSync(
    process.execPath,
    ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'],
    {
      cwd: top,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    },
  );
  if (run.status === 0) return [];
  return [{ path: 'biome check', line: 1, message: `\n${(run.stdout + run.stderr).trim()}` }];
}
