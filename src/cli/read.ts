// `ballast read URI/NQN --nsid N --lba L --blocks K`: raw bytes of a namespace on stdout.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../base/errors.js';
import type { CliContext } from './engine-port.js';
import { findNamespace, parseSubsystemAddress, reachOptions, withController, withEngine } from './target.js';
import {
  addTransferOptions,
  blocksPerPiece,
  checkRange,
  parseRange,
  type TransferOptions,
} from './transfer.js';

export function registerRead(program: Command, context: CliContext): void {
  addTransferOptions(program.command('read').description('write blocks of a namespace to stdout'))
    .requiredOption('--blocks <k>', 'how many logical blocks')
    .action((uri: string, options: TransferOptions) => read(context, uri, options));
}

async function read(context: CliContext, uri: string, options: TransferOptions): Promise<void> {
  const address = parseSubsystemAddress(uri);
  const { nsid, lba, blocks = 0 } = parseRange(options);
  if (context.stdout.isTTY) throw new InvalidArgumentError('stdout', 'a file or a pipe, not a terminal');
  const reach = await reachOptions(context, address, options);
  await withEngine(context, {}, (engine) =>
    withController(engine, { ...reach, nqn: address.nqn }, async (controller) => {
      const namespace = findNamespace(controller, nsid);
      checkRange(namespace, lba, blocks);
      const step = blocksPerPiece(namespace);
      for (let done = 0; done < blocks; done += step) {
        const data = await namespace.read(lba + BigInt(done), Math.min(step, blocks - done));
        if (!(await writeAll(context.stdout, data))) return;
      }
    }),
  );
}

/** False when nobody reads any more, as in `ballast read ... | head`: no reason to complain. */
function writeAll(stream: NodeJS.WritableStream, data: Buffer): Promise<boolean> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => {
      if (!error) resolve(true);
      else if ((error as NodeJS.ErrnoException).code === 'EPIPE') resolve(false);
      else reject(error);
    });
  });
}
