// The composition root of the program `ballast`: real streams, signals and the native engine for the command
// line.
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { hostIdentity } from '../base/identity.js';
import { nodeCommand } from '../base/node-command.js';
import type { CliContext } from '../cli/engine-port.js';
import { runProgram } from '../cli/program.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const context: CliContext = {
  version,
  get program() {
    return [...nodeCommand(), '--enable-source-maps', fileURLToPath(import.meta.url)] as const;
  },
  environment: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  startEngine: async (options) => {
    const { Engine } = await import('../native/index.js');
    return Engine.start(options);
  },
  startControl: async (options) => {
    const { ControlPlane } = await import('./control-plane.js');
    return ControlPlane.start({ ...options, version });
  },
  startController: async (settings, log) => {
    const { startController } = await import('./controller.js');
    return startController(settings, version, log);
  },
  startCsi: async (options) => {
    const { startCsi } = await import('./csi.js');
    return startCsi(options, version);
  },
  joinWithToken: async (options) => (await import('./join.js')).joinWithToken(options),
  hostIdentity: (stateDirectory) => hostIdentity({ systemDirectory: '/etc/nvme', stateDirectory }),
  createAttacher: async (options) => (await import('./attachment.js')).createAttacher(options),
  serveAttachment: async (uuid, stateDirectory) =>
    (await import('./attachment.js')).runAttachServer(uuid, stateDirectory),
  checkHistory: async (lines) => (await import('../native/index.js')).checkHistory(lines),
  notifyServiceManager: async (state) => {
    if (process.env.NOTIFY_SOCKET === undefined) return;
    const { sdNotify } = await import('../native/index.js');
    sdNotify(state);
  },
  onStopSignal: (callback) => {
    process.on('SIGINT', callback);
    process.on('SIGTERM', callback);
    return () => {
      process.off('SIGINT', callback);
      process.off('SIGTERM', callback);
    };
  },
  sleep: (ms) => setTimeout(ms),
  exitNow: (code) => process.exit(code),
};

// A reader that went away is no failure of a target that serves on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const code = await runProgram(context, version, process.argv.slice(2));
// Not by draining the event loop: an open stdin would keep the process.
process.stdout.write('', () => process.exit(code));
