// Rules about the TypeScript of src/: who imports whom, and who may construct services or load the addon.
import { posix } from 'node:path';
import { sourceRooms } from './rooms.mjs';

const importStatement =
  /^[ \t]*(import|export)\s+(type\s+)?(?:[^'";]*?\s+from\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;

/** @type {import('./tree.mjs').Rule} */
export function sourceImports(files) {
  return sources(files).flatMap(({ path, text }) => {
    const room = path.split('/')[1] ?? '';
    const row = sourceRooms[room];
    if (row === undefined) {
      return [{ path, line: 1, message: `room ${room} has no row in the table of docs/architecture.md` }];
    }
    return [...text.matchAll(importStatement)].flatMap((match) => {
      const specifier = match[3] ?? match[4] ?? '';
      if (!specifier.startsWith('.')) return [];
      const target = posix.normalize(posix.join(posix.dirname(path), specifier));
      const wanted = target.split('/')[1] ?? '';
      const inside = target.startsWith('src/');
      const allowed = match[2] === undefined ? row.values : [...row.values, ...row.types];
      if (inside && (wanted === room || allowed.includes(wanted) || allowed.includes('*'))) return [];
      const list = [room, ...row.values, ...row.types.map((name) => `${name} (types)`)].join(', ');
      return [
        {
          path,
          line: lineAt(text, match.index),
          message: `${room} may not import ${specifier}; it may import ${list}`,
        },
      ];
    });
  });
}

/** `bindings` finds the .node file; one file knows it. @type {import('./tree.mjs').Rule} */
export function addonLoader(files) {
  return sources(files).flatMap(({ path, text }) => {
    const match = /from 'bindings'|require\('bindings'\)|process\.dlopen|\.node'/.exec(text);
    if (match === null || path === 'src/native/binding.ts') return [];
    return [{ path, line: lineAt(text, match.index), message: 'only src/native/binding.ts loads the addon' }];
  });
}

// What is constructed once, in src/main, and the room that has it.
const services = [
  { home: 'native', made: /\bEngine\.start\(|\bnew Engine\(/ },
  { home: 'store', made: /\bopen(?:Level|Memory|Etcd|Daemon)Store\(/ },
  { home: 'auth', made: /\bnew (?:Authenticator|TokenRegistry)\(/ },
  { home: 'api', made: /\bnew ApiDoors\(|\bcreateApp\(/ },
];

/** @type {import('./tree.mjs').Rule} */
export function compositionRoots(files) {
  return sources(files).flatMap(({ path, text }) => {
    const room = path.split('/')[1] ?? '';
    if (room === 'main') return [];
    const match = services.find(({ home, made }) => room !== home && made.test(text));
    if (match === undefined) return [];
    return [
      { path, line: lineAt(text, text.search(match.made)), message: 'only src/main constructs services' },
    ];
  });
}

function sources(files) {
  return files.filter(({ path }) => /^src\/.+\.ts$/.test(path));
}

function lineAt(text, index) {
  return text.slice(0, index).split('\n').length;
}
