// `ballast serve` as the process under test: started on a free port of 127.0.0.1, stopped, killed, frozen
// and started again with the same port, volumes and pools, and asked by the command line. Called by
// requests.mjs for the guest. What it prints is in target.log.

import { execFile, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const readyTimeLimitMs = 30_000;
const stopTimeLimitMs = 20_000;
const commandTimeLimitMs = 60_000;
// A host's view of the machine under QEMU's network: see machine.mjs.
const hostSeenByGuest = '10.0.2.2';

export class Target {
  #program;
  #directory;
  #logFile;
  #child;
  #ended;
  #starts = 0;
  #volumes = [];
  #port = 0; // 0: the target's choice

  constructor(program, directory) {
    this.#program = program;
    this.#directory = directory;
    this.#logFile = join(directory, 'target.log');
    mkdirSync(directory, { recursive: true });
  }

  get logFile() {
    return this.#logFile;
  }

  /**
   * volumes: NAME=SPEC; a file volume names only its size, its file is made here. pool:NAME:SIZE is a pool on
   * a file that is made here too.
   */
  async start(volumes) {
    if (this.#child) throw new Error('the target runs already');
    this.#starts += 1;
    mkdirSync(this.#home);
    this.#volumes = volumes.flatMap((volume) => this.#complete(volume));
    this.#port = 0;
    await this.#launch();
    return this.#port;
  }

  /** What a command prints that is asked of the running target. */
  async ballast(argv) {
    this.#running();
    this.#log(`$ ballast ${argv.join(' ')}\n`);
    const options = { timeout: commandTimeLimitMs, env: { ...process.env, NO_COLOR: '1' } };
    const command = [...argv, '--data', join(this.#home, 'data'), '-o', 'json'];
    try {
      return (await promisify(execFile)(this.#program, command, options)).stdout.trimEnd();
    } catch (error) {
      throw new Error(`ballast ${argv.join(' ')}: ${error.stderr?.trim() || error.message}`);
    }
  }

  /** A target of its own for the pool in this file. */
  async openPool(path) {
    const port = await this.start([]);
    await this.ballast(['pool', 'import', path]);
    return port;
  }

  async restart() {
    if (this.#child) throw new Error('the target runs still');
    await this.#launch();
  }

  /** SIGTERM: a clean end is status 0, in bounded time. Without a running target there is nothing to do. */
  async stop() {
    if (!this.#child) return;
    const child = this.#child;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeLimitMs);
    const end = await this.#ended;
    clearTimeout(timer);
    if (end.signal === 'SIGKILL')
      throw new Error(`the target did not stop within ${stopTimeLimitMs / 1000} s of SIGTERM`);
    if (end.code !== 0)
      throw new Error(`the target ended with ${end.signal ?? `status ${end.code}`} after SIGTERM`);
  }

  async kill() {
    this.#running().kill('SIGKILL');
    await this.#ended;
  }

  freeze() {
    this.#running().kill('SIGSTOP');
  }

  thaw() {
    this.#child?.kill('SIGCONT');
  }

  async discard() {
    if (!this.#child) return;
    this.killNow();
    await this.#ended;
  }

  killNow() {
    this.#child?.kill('SIGKILL');
  }

  /** State and files of the present set of volumes: what an earlier case left is not seen by a later one. */
  get #home() {
    return join(this.#directory, String(this.#starts));
  }

  #running() {
    if (!this.#child) throw new Error('the target does not run any more');
    return this.#child;
  }

  #complete(volume) {
    const [, pool, size] = /^pool:(\w+):(\w+)$/.exec(volume) ?? [];
    if (pool) return ['--ensure-pool', `${pool}=${join(this.#home, `${pool}.disk`)}:${size}`];
    const equals = volume.indexOf('=');
    const name = volume.slice(0, equals);
    let spec = volume.slice(equals + 1);
    if (spec.startsWith('file:')) spec = spec.replace('file:', `file:${join(this.#home, `${name}.raw`)}:`);
    if (!spec.includes(',nqn=')) spec += `,nqn=nqn.2026-11.dev.ballast:test:${name}`;
    return ['--volume', `${name}=${spec}`];
  }

  async #launch() {
    const command = [
      ...['serve', '--data', join(this.#home, 'data')],
      ...['--listen', `tcp://127.0.0.1:${this.#port}`, '--advertise', hostSeenByGuest],
      ...['--api-listen', 'off'],
      ...this.#volumes,
    ];
    this.#log(`$ ballast ${command.join(' ')}\n`);
    const child = spawn(this.#program, command, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let complaints = '';
    child.stderr.on('data', (data) => {
      complaints += data;
      this.#log(data);
    });
    this.#ended = new Promise((resolve) => {
      const end = (code, signal) => {
        this.#log(`[ended: ${signal ?? code}]\n`);
        if (this.#child === child) this.#child = undefined;
        resolve({ code, signal });
      };
      child.on('error', (error) => {
        complaints += error.message;
        end(undefined, error.code);
      });
      child.on('close', end);
    });
    const ready = new Promise((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.#log(`${line}\n`);
        const port = /^listening on tcp:\/\/127\.0\.0\.1:(\d+)$/.exec(line.trim())?.[1];
        if (port) this.#port = Number(port);
        if (line.trim() === 'ready') resolve('ready');
      });
    });
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, readyTimeLimitMs, 'late');
    });
    const outcome = await Promise.race([ready, late, this.#ended]);
    clearTimeout(timer);
    if (outcome === 'ready' && this.#port !== 0) return;
    await this.discard();
    if (outcome === 'ready') throw new Error('the target did not say where it listens');
    const reason =
      outcome === 'late' ? `was not ready after ${readyTimeLimitMs / 1000} s` : 'ended at its start';
    throw new Error(`the target ${reason}: ${complaints.trim().split('\n').slice(-3).join(' | ')}`);
  }

  #log(text) {
    appendFileSync(this.#logFile, text);
  }
}
