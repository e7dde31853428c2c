// `ballast volume ...`: the list of its commands. Loaded when one of them is asked for.
import type { Command } from 'commander';
import type { CliContext } from '../engine-port.js';
import { registerAna } from './ana.js';
import { registerClone } from './clone.js';
import { registerExplain, registerMoveHead } from './cluster.js';
import { registerCreate } from './create.js';
import { registerDelete } from './delete.js';
import { registerDiff } from './diff.js';
import { registerEraseKey } from './erase-key.js';
import { registerHosts } from './hosts.js';
import { registerList } from './list.js';
import { registerRename } from './rename.js';
import { registerResize } from './resize.js';
import { registerRevert } from './revert.js';
import { registerServe } from './serve.js';
import { registerSet } from './set.js';
import { registerShow } from './show.js';
import { registerSnapshot } from './snapshot.js';
import { registerSnapshots } from './snapshots.js';

export function register(volume: Command, context: CliContext): void {
  for (const add of [
    registerCreate,
    registerList,
    registerShow,
    registerResize,
    registerSet,
    registerRename,
    registerSnapshot,
    registerSnapshots,
    registerClone,
    registerRevert,
    registerDiff,
    registerServe,
    registerHosts,
    registerAna,
    registerExplain,
    registerMoveHead,
    registerDelete,
    registerEraseKey,
  ]) {
    add(volume, context);
  }
}
