// The command line: registers every command and turns what they throw into one line on stderr and an exit
// code.
import { Command, CommanderError } from 'commander';
import { DomainError } from '../base/errors.js';
import { registerAttach } from './attach.js';
import { registerBurnin } from './burnin.js';
import { registerCsi } from './csi.js';
import { registerDiscover } from './discover.js';
import type { CliContext } from './engine-port.js';
import { exitCodeOf } from './exit-codes.js';
import { registerIdentify } from './identify.js';
import { registerPerf } from './perf.js';
import { registerRead } from './read.js';
import { registerServe } from './serve.js';
import { registerWrite } from './write.js';

// Groups of commands that ask a running daemon, all but `pool check`, and a command that asks nobody. Their
// files are loaded when one of them is asked for: a target starts without them.
const groups = [
  { name: 'pool', description: 'pools of disks', load: () => import('./pool/index.js') },
  { name: 'volume', description: 'volumes, snapshots, clones', load: () => import('./volume/index.js') },
  { name: 'mirror', description: 'mirrored volumes', load: () => import('./mirror/index.js') },
  { name: 'qos', description: 'limits and guarantees', load: () => import('./qos/index.js') },
  {
    name: 'drill',
    description: 'verified load, and histories of it',
    load: () => import('./drill/index.js'),
  },
  { name: 'node', description: 'nodes of a cluster', load: () => import('./node/index.js') },
  { name: 'cluster', description: 'the state of a cluster', load: () => import('./cluster/index.js') },
  { name: 'replica', description: 'replicas in a cluster', load: () => import('./replica/index.js') },
  { name: 'rebuild', description: 'copies to replicas', load: () => import('./rebuild/index.js') },
  { name: 'key', description: 'keys of encrypted volumes', load: () => import('./key/index.js') },
  {
    name: 'manifests',
    description: 'print the objects that install Ballast in a Kubernetes cluster',
    load: () => import('./manifests.js'),
  },
];

// The same for commands of one word.
const lone = [
  {
    name: 'controller',
    description: 'decide for a cluster: where replicas are, which node is the head of a volume',
    load: async () => (await import('./controller.js')).registerController,
  },
  {
    name: 'agent',
    description: 'be a node of a cluster: keep replicas, serve volumes, take over from nodes that fail',
    load: async () => (await import('./agent.js')).registerAgent,
  },
  {
    name: 'top',
    description: 'show what volumes, or pods, do right now',
    load: async () => (await import('./top/index.js')).registerTop,
  },
];

export async function createProgram(
  context: CliContext,
  version: string,
  argv: readonly string[],
): Promise<Command> {
  const program = new Command('ballast')
    .description('NVMe-over-Fabrics target and initiator in user space')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    })
    .addHelpText('after', '\nExit codes: 0 success, 1 failed, 2 wrong usage, 3 target not reachable.');
  // In the order of a first session.
  for (const register of [
    registerServe,
    registerDiscover,
    registerIdentify,
    registerRead,
    registerWrite,
    registerPerf,
    registerAttach,
    registerCsi,
    registerBurnin,
  ]) {
    register(program, context);
  }
  for (const { name, description, load } of lone) {
    if (argv.includes(name)) (await load())(program, context);
    else program.command(name).description(description);
  }
  for (const { name, description, load } of groups) {
    const group = program.command(name).description(description);
    if (argv.includes(name)) (await load()).register(group, context);
  }
  return program;
}

/** Returns the exit code; never throws. `argv` has no program name. */
export async function runProgram(
  context: CliContext,
  version: string,
  argv: readonly string[],
): Promise<number> {
  try {
    await (await createProgram(context, version, argv)).parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has printed its own complaints; an error that is not ours is a bug, and its stack says where.
    if (error instanceof DomainError) context.stderr.write(`ballast: ${error.message}\n`);
    else if (!(error instanceof CommanderError)) context.stderr.write(`ballast: ${stackOf(error)}\n`);
    return exitCodeOf(error);
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
