// The files that the rules look at: what a clone holds, read once. Rules get this list and nothing else, so
// that a test can show each of them failing on a tree of three lines.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

const roots = ['native', 'src', 'test', 'bench', 'scripts', 'bin', '.ci', 'cmake', 'docs', 'deploy', 'proto'];
const generated = new Set(['node_modules', 'build', 'dist', 'var', 'coverage', 'results', '__snapshots__']);

/**
 * @typedef {{ path: string, text: string }} SourceFile  path is relative, with forward slashes
 * @typedef {{ path: string, line: number, message: string }} Finding
 * @typedef {(files: readonly SourceFile[]) => Finding[]} Rule
 */

/** @returns {SourceFile[]} */
export function readTree(top) {
  const files = readdirSync(top).filter(
    (name) => /\.(?:json|ts|mjs|md|txt)$/.test(name) && name !== 'package-lock.json',
  );
  const paths = [...files.map((name) => join(top, name)), ...roots.flatMap((root) => walk(join(top, root)))];
  return paths.flatMap((path) => {
    const bytes = readFileSync(path);
    return bytes.includes(0)
      ? []
      : [{ path: relative(top, path).replaceAll('\\', '/'), text: bytes.toString('utf8') }];
  });
}

function walk(directory) {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return generated.has(entry.name) ? [] : walk(path);
    return entry.isFile() && statSync(path).size < 1 << 20 ? [path] : [];
  });
}

/** Calls `visit(line, number)` for each line, numbered from 1. */
export function eachLine(text, visit) {
  text.split('\n').forEach((line, index) => {
    visit(line, index + 1);
  });
}

/** The text with comments and the content of strings blanked, lines kept: for rules about code, not prose. */
export function withoutComments(text) {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/"(?:[^"\\\n]|\\.)*"/g, (string) => `"${' '.repeat(string.length - 2)}"`)
    .replace(/\/\/[^\n]*/g, '');
}
