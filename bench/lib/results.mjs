// The files of bench/results/: written here, and only the newest few kept. A file that the user named is
// written and nothing is removed beside it.

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { UsageError } from './arguments.mjs';
import { repository } from './ballast.mjs';
import { schema } from './report.mjs';
import { latencySvg } from './svg.mjs';

const kept = 5;
const ownName = /^\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[\da-z]+\.json$/;

/** Removes all but the newest results of a directory, with their pictures; other files stay. */
export function prune(directory) {
  const old = readdirSync(directory)
    .filter((name) => ownName.test(name))
    .sort()
    .slice(0, -kept);
  for (const name of old) {
    rmSync(join(directory, name));
    rmSync(join(directory, name.replace(/json$/, 'svg')), { force: true });
  }
}

/** Before anything is measured: whether the user's file can be written at all. */
export function checkOut(out) {
  if (out === undefined) return;
  try {
    accessSync(dirname(out), constants.W_OK);
    if (existsSync(out)) accessSync(out, constants.W_OK);
    if (existsSync(out) && !statSync(out).isFile()) throw new Error('not a file');
  } catch (error) {
    throw new UsageError(`--out ${out}: cannot be written (${error.code ?? error.message})`);
  }
}

/** Gives the paths that were written. */
export function writeResult(document, out, directory = join(repository, 'bench/results')) {
  const stamp = document.date.slice(0, 19).replace(/[:T]/g, '-');
  const path = out ?? join(directory, `${stamp}-${document.revision.slice(0, 8)}.json`);
  const picture = `${path.replace(/\.json$/, '')}.svg`;
  if (out === undefined) mkdirSync(directory, { recursive: true });
  writeFileSync(path, `${JSON.stringify(document, null, 1)}\n`);
  writeFileSync(picture, latencySvg(document));
  if (out === undefined) prune(directory);
  return [path, picture];
}

export function readResult(path) {
  let document;
  try {
    document = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`${path}: ${error.code ? `cannot be read (${error.code})` : 'not JSON'}`);
  }
  if (document?.schema !== schema || !Array.isArray(document.results) || !document.machine)
    throw new UsageError(`${path}: not a result of the bench (schema ${schema})`);
  return document;
}
