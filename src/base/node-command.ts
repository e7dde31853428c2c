// How this Node.js was started, for children that are to be started alike. Where that was by the dynamic
// loader (`ld.so --library-path DIR node ...`), process.execPath is the loader, which would take the first
// argument of a child for its program.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export interface OwnProcess {
  readonly execPath: string;
  /** As Node.js was called, the loader and its options left out. */
  readonly argv0: string;
  /** The command line, all of it. */
  readonly words: readonly string[];
}

/** The program, and what comes before the arguments of Node.js. Works in any directory. */
export function nodeCommand({ execPath, argv0, words } = ownProcess()): readonly [string, ...string[]] {
  const node = words.indexOf(argv0);
  if (node < 1) return [execPath];
  return [execPath, ...words.slice(1, node), resolve(argv0)];
}

function ownProcess(): OwnProcess {
  const { execPath, argv0 } = process;
  return { execPath, argv0, words: readFileSync('/proc/self/cmdline', 'utf8').split('\0') };
}
