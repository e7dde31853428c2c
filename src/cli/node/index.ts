// `ballast node ...`: nodes of a cluster. Loaded when one is asked for.
import type { Command } from 'commander';
import type { CliContext } from '../engine-port.js';
import { registerJoin } from './join.js';
import { registerNodes } from './nodes.js';
import { registerToken } from './token.js';

export function register(node: Command, context: CliContext): void {
  registerNodes(node, context);
  registerJoin(node, context);
  registerToken(node.command('token').description('with what nodes join'), context);
}
