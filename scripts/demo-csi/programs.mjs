// The two programs of the demo, and the tools of the system.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processesOf } from './leftovers.mjs';

const programDefault = fileURLToPath(new URL('../../bin/ballast', import.meta.url));
const startMsMax = 300_000; // under emulation a start takes minutes
const saidCharactersMax = 8192;

export class Programs {
  #directory;
  #program;
  #running = [];

  constructor(directory, program = programDefault) {
    this.#directory = directory;
    this.#program = program;
  }

  static which(tool) {
    const found = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].map((one) => join(one, tool)).find(existsSync);
    if (found === undefined) throw new Error(`${tool} is not installed`);
    return found;
  }

  static run(tool, ...argv) {
    return execFileSync(Programs.which(tool), argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  static try(tool, ...argv) {
    try {
      Programs.run(tool, ...argv);
    } catch {}
  }

  get socket() {
    return join(this.#directory, 'csi.sock');
  }

  /** `device`: of the pool, PATH[:SIZE]. */
  async serve(device = `${join(this.#directory, 'pool')}:8GiB`) {
    const pool = `demo=${device}`;
    const state = ['--data', join(this.#directory, 'state'), '--api-listen', 'off'];
    await this.#start(/^api /m, 'serve', ...state, '--listen', 'tcp://127.0.0.1:0', '--ensure-pool', pool);
  }

  async csi(kubelet, driver) {
    const places = ['--kubelet-dir', kubelet, '--attach-dir', join(this.#directory, 'attach')];
    const daemon = ['--data', join(this.#directory, 'state'), '--endpoint', `unix://${this.socket}`];
    await this.#start(/^ready$/m, 'csi', '--mode', 'all', '--driver', driver, ...places, ...daemon);
  }

  async #start(readyLine, ...argv) {
    const { BALLAST_DATA: _, BALLAST_API: __, CSI_ENDPOINT: ___, ...environment } = process.env;
    const child = spawn(this.#program, argv, { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
    const one = { name: argv[0], child, said: '' };
    this.#running.push(one);
    await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`ballast ${argv[0]} does not begin`)), startMsMax);
      const hear = (text) => {
        one.said = (one.said + text).slice(-saidCharactersMax);
        if (readyLine.test(one.said)) resolve(clearTimeout(late));
      };
      child.stdout.setEncoding('utf8').on('data', hear);
      child.stderr.setEncoding('utf8').on('data', hear);
      child.once('exit', (code) => reject(new Error(`ballast ${argv[0]} ended with ${code}`)));
    });
  }

  /** In the other order; each has to end with 0. */
  async stop() {
    for (const { name, child } of this.#running.reverse()) {
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`ballast ${name} ended with ${code}`);
    }
    this.#running = [];
  }

  async kill() {
    for (const { child } of this.#running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    // Those that serve a device outlive who has started them.
    for (const pid of processesOf(this.#directory)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {}
    }
  }

  said() {
    return this.#running.map(({ name, said }) => `---- ballast ${name}\n${said}`).join('\n');
  }
}
