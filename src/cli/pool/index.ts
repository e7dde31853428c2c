// `ballast pool ...`: the list of its commands. Loaded when one of them is asked for.
import type { Command } from 'commander';
import type { CliContext } from '../engine-port.js';
import { registerAddDevice } from './add-device.js';
import { registerCheck } from './check.js';
import { registerCreate } from './create.js';
import { registerDestroy } from './destroy.js';
import { registerExport } from './export.js';
import { registerImport } from './import.js';
import { registerList } from './list.js';
import { registerScrub } from './scrub.js';
import { registerSet } from './set.js';
import { registerShow } from './show.js';

export function register(pool: Command, context: CliContext): void {
  for (const add of [
    registerCreate,
    registerAddDevice,
    registerList,
    registerShow,
    registerSet,
    registerScrub,
    registerCheck,
    registerExport,
    registerImport,
    registerDestroy,
  ]) {
    add(pool, context);
  }
}
