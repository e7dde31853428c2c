// Rules about any text file: width, trailing space, notes to self, READMEs of rooms.
import { posix } from 'node:path';
import { eachLine } from './tree.mjs';

const columnsMax = 110;
const readmeLinesMax = 60;
const code = /\.(?:h|cc|ts|mjs|cmake|sh|yml|yaml)$|CMakeLists\.txt$|^(?:scripts|bin|\.ci)\/[^.]+$/;
// In two pieces, so that this file passes its own rule.
const noteToSelf = new RegExp(`TODO\\${'('}now\\)`);
const knownNote = /TODO\((?:perf|port|test|someday)\): /;

/** @type {import('./tree.mjs').Rule} */
export function columns(files) {
  return perLine(files, code, (line) =>
    line.length > columnsMax ? `${line.length} columns, more than ${columnsMax}` : undefined,
  );
}

/** @type {import('./tree.mjs').Rule} */
export function trailingSpace(files) {
  return perLine(files, code, (line) => (/[ \t]$/.test(line) ? 'space at the end of the line' : undefined));
}

/** @type {import('./tree.mjs').Rule} */
export function notesToSelf(files) {
  return perLine(files, code, (line, path) => {
    if (path.startsWith('scripts/tidy/') || path.startsWith('test/unit/scripts/')) return undefined;
    if (noteToSelf.test(line)) return 'something to be done before it is committed';
    if (/TODO\b/.test(line) && !knownNote.test(line))
      return 'TODO needs one of (perf) (port) (test) (someday)';
    return undefined;
  });
}

/**
 * Every folder with code below native/ and src/ is a room and says what it is; a folder within a room may be
 * told of in the README above it, under its name.
 * @type {import('./tree.mjs').Rule}
 */
export function roomReadmes(files) {
  const rooms = new Set();
  for (const { path } of files) {
    const match = /^((?:native|src)\/.+)\/[^/]+\.(?:h|cc|ts)$/.exec(path);
    if (match !== null) rooms.add(match[1]);
  }
  return [...rooms].sort().flatMap((room) => {
    const above = files.find(({ path }) => path === `${posix.dirname(room)}/README.md`);
    if (above?.text.includes(`\`${posix.basename(room)}/\``)) return [];
    const readme = files.find(({ path }) => path === `${room}/README.md`);
    if (readme === undefined)
      return [{ path: `${room}/README.md`, line: 1, message: 'the room has no README.md' }];
    const lines = readme.text.trimEnd().split('\n').length;
    if (lines <= readmeLinesMax) return [];
    return [{ path: readme.path, line: lines, message: `${lines} lines, more than ${readmeLinesMax}` }];
  });
}

function perLine(files, paths, judge) {
  const findings = [];
  for (const { path, text } of files) {
    if (!paths.test(path)) continue;
    eachLine(text, (line, number) => {
      const message = judge(line, path);
      if (message !== undefined) findings.push({ path, line: number, message });
    });
  }
  return findings;
}
