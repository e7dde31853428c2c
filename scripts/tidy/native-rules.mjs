// Rules about the C++ of native/: who includes whom, no locks in the data plane, no exceptions.
import { nativeRooms, sharedOwnershipOnly, sharingAllowed } from './rooms.mjs';
import { eachLine, withoutComments } from './tree.mjs';

const includeLine = /^\s*#\s*include\s+"([^"]+)"/;
const sharingNames = [
  ...[
    'mutex',
    'shared_mutex',
    'recursive_mutex',
    'condition_variable',
    'lock_guard',
    'unique_lock',
    'scoped_lock',
  ],
  ...['thread', 'jthread', 'shared_ptr'],
];
const sharing = new RegExp(`std::(?:${sharingNames.join('|')})\\b`);
const exceptions = /\b(?:throw\b(?!\s*\(\s*\))|try\s*\{|catch\s*\(|dynamic_cast<|typeid\()/;

/** @type {import('./tree.mjs').Rule} */
export function nativeIncludes(files) {
  return perLine(cplusplus(files), false, (line, path) => {
    const [, header] = includeLine.exec(line) ?? [];
    if (header === undefined) return undefined;
    const room = path.split('/')[1] ?? '';
    const wanted = header.split('/')[0] ?? '';
    if (!header.includes('/')) return `"${header}": name the room too, as in "${room}/${header}"`;
    const allowed = nativeRooms[room];
    if (allowed === undefined) return `room ${room} has no row in the table of docs/architecture.md`;
    if (wanted === room || allowed.includes(wanted) || allowed.includes(header)) return undefined;
    return `${room} may not include ${header}; it may include ${[room, ...allowed].join(', ')}`;
  });
}

/**
 * x.cc begins with its own header, so that every header is known to compile alone.
 * @type {import('./tree.mjs').Rule}
 */
export function firstInclude(files) {
  const paths = new Set(files.map(({ path }) => path));
  return cplusplus(files).flatMap(({ path, text }) => {
    const header = path.replace(/\.cc$/, '.h');
    if (!path.endsWith('.cc') || !paths.has(header)) return [];
    const own = header.slice('native/'.length);
    const lines = text.split('\n');
    const index = lines.findIndex((line) => /^\s*#\s*include\b/.test(line));
    if (includeLine.exec(lines[index] ?? '')?.[1] === own) return [];
    return [{ path, line: index + 1, message: `the first include must be "${own}"` }];
  });
}

/** @type {import('./tree.mjs').Rule} */
export function dataPlaneSharing(files) {
  return perLine(cplusplus(files), true, (line, path) => {
    const match = sharing.exec(line);
    if (match === null) return undefined;
    const place = Object.keys(sharingAllowed).find((prefix) => path.startsWith(prefix));
    if (place !== undefined && (match[0] === 'std::shared_ptr' || !sharedOwnershipOnly.includes(place))) {
      return undefined;
    }
    return `${match[0]}: the data plane has one owner per object and no locks (send a message instead)`;
  });
}

/** @type {import('./tree.mjs').Rule} */
export function dataPlaneExceptions(files) {
  return perLine(cplusplus(files), true, (line) => {
    const match = exceptions.exec(line);
    return match === null ? undefined : `${match[0].trim()}: native/ is built without exceptions and RTTI`;
  });
}

/**
 * Rooms are built by ballast_room, which switches exceptions and RTTI off.
 * @type {import('./tree.mjs').Rule}
 */
export function roomBuildFiles(files) {
  return files.flatMap(({ path, text }) => {
    const match = /^native\/([^/]+(?:\/[^/]+)*)\/CMakeLists\.txt$/.exec(path);
    if (match === null || match[1] === 'addon' || match[1] === 'tools') return [];
    if (/^ballast_room\(/m.test(text)) return [];
    return [{ path, line: 1, message: 'a data-plane room is declared by ballast_room(...)' }];
  });
}

function cplusplus(files) {
  return files.filter(({ path }) => /^native\/.+\.(?:h|cc)$/.test(path));
}

function perLine(files, codeOnly, judge) {
  const findings = [];
  for (const { path, text } of files) {
    eachLine(codeOnly ? withoutComments(text) : text, (line, number) => {
      const message = judge(line, path);
      if (message !== undefined) findings.push({ path, line: number, message });
    });
  }
  return findings;
}
