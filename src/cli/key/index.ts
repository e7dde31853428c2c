// `ballast key ...`: the list of its commands. Loaded when one of them is asked for.
import type { Command } from 'commander';
import type { CliContext } from '../engine-port.js';
import { registerList } from './list.js';
import { registerRotate } from './rotate.js';

export function register(key: Command, context: CliContext): void {
  registerList(key, context);
  registerRotate(key, context);
}
