// The attacher of this machine, and the process behind a device of the drivers `fuse` and `ublk`.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  type AttachDriver,
  AttachRecords,
  FuseDriver,
  type KernelCalls,
  KernelDriver,
  type KernelRoots,
  KernelTree,
  LocalAttacher,
  NvmeTree,
  type ProcessCalls,
  type ServerEngine,
  serveAttachment,
  UblkDriver,
} from '../attach/index.js';
import { createLog } from '../base/log.js';
import { nodeCommand } from '../base/node-command.js';

const roots: KernelRoots = { sys: '/sys', proc: '/proc', dev: '/dev' };
const runMsMax = 20_000;

/** The addon is loaded when it is first needed: reading a record needs none. */
const kernel: KernelCalls = {
  unmountDead: async (path) => (await import('../native/index.js')).kernelCalls.unmountDead(path),
  removeLoop: async (device, file, even) =>
    (await import('../native/index.js')).kernelCalls.removeLoop(device, file, even),
  ublkFeatures: async () => (await import('../native/index.js')).kernelCalls.ublkFeatures(),
  removeUblk: async (uuid) => (await import('../native/index.js')).kernelCalls.removeUblk(uuid),
  tryLock: (descriptor) => loaded(descriptor),
};

let loaded: (descriptor: number) => boolean = () => {
  throw new Error('the addon is not loaded');
};

const processes: ProcessCalls = {
  async startServer(stateDirectory, uuid, logFile) {
    const program = fileURLToPath(new URL('./ballast.js', import.meta.url));
    const log = await open(logFile, 'a', 0o600);
    try {
      const [command, ...before] = nodeCommand();
      const argv = [
        ...before,
        '--enable-source-maps',
        program,
        'attach-serve',
        uuid,
        '--state-directory',
        stateDirectory,
      ];
      const child = spawn(command, argv, {
        detached: true, // a session of its own: no terminal, and no signal of ours, ends it
        stdio: ['ignore', log.fd, log.fd],
        cwd: '/',
      });
      await once(child, 'spawn');
      child.unref();
      return { pid: child.pid ?? 0 };
    } finally {
      await log.close();
    }
  },
  async run(program, argv) {
    await promisify(execFile)(program, [...argv], { timeout: runMsMax });
  },
  kill(pid, signal) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  },
};

export interface AttacherOptions {
  /** What is attached, as files; default /run/ballast/attach. */
  readonly stateDirectory?: string;
  readonly driver?: AttachDriver | 'auto';
}

export const attachDirectoryDefault = '/run/ballast/attach';

export async function createAttacher(options: AttacherOptions = {}): Promise<LocalAttacher> {
  loaded = (await import('../native/index.js')).kernelCalls.tryLock;
  const records = new AttachRecords(options.stateDirectory ?? attachDirectoryDefault, kernel);
  const tree = new KernelTree(roots);
  const drivers = [
    new KernelDriver(tree, new NvmeTree(roots), processes),
    new UblkDriver(records, tree, kernel, processes),
    new FuseDriver(records, tree, kernel, processes),
  ];
  return new LocalAttacher(records, drivers, options.driver ?? 'auto');
}

/** `ballast attach-serve`: until the device is gone. */
export async function runAttachServer(uuid: string, stateDirectory: string): Promise<void> {
  const { Engine } = await import('../native/index.js');
  const log = createLog('info', false);
  const engine = await Engine.start({
    onLog: ({ level, room, text }) =>
      log[level === 'error' || level === 'warn' ? level : 'info']({ room }, text),
  });
  try {
    await serveAttachment(
      {
        records: new AttachRecords(stateDirectory, kernel),
        tree: new KernelTree(roots),
        engine: engine as unknown as ServerEngine,
        log,
        pid: process.pid,
        onStopSignal: (callback) => {
          process.on('SIGTERM', callback);
          process.on('SIGINT', callback);
        },
      },
      uuid,
    );
  } finally {
    await engine.close();
  }
}
