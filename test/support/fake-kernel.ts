// Trees that stand for /sys, /proc and /dev: controllers, namespaces, loop devices, mounts and processes as a
// test puts them there; and the calls that would change a real kernel, noted.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KernelCalls, KernelRoots, ProcessCalls } from '../../src/attach/ports.js';

export interface FakePath {
  readonly nqn: string;
  readonly host: string;
  readonly port?: number;
  readonly hostNqn: string;
  readonly state?: string;
}

export class FakeKernel implements KernelCalls, ProcessCalls {
  readonly top = mkdtempSync(join(tmpdir(), 'ballast-kernel-'));
  readonly roots: KernelRoots = {
    sys: join(this.top, 'sys'),
    proc: join(this.top, 'proc'),
    dev: join(this.top, 'dev'),
  };
  readonly calls: string[] = [];
  /** What each program that is run does. */
  onRun: (program: string, argv: readonly string[]) => void = () => undefined;
  onStart: (uuid: string) => number = () => 0;

  constructor() {
    for (const path of ['sys/block', 'sys/class/nvme', 'sys/module/nvme_tcp', 'proc/self', 'dev'])
      mkdirSync(join(this.top, path), { recursive: true });
    this.mounts([]);
    this.put('dev/nvme-fabrics', '');
  }

  put(path: string, text: string): void {
    const whole = join(this.top, path);
    mkdirSync(join(whole, '..'), { recursive: true });
    writeFileSync(whole, text);
  }
  get(path: string): string {
    return readFileSync(join(this.top, path), 'utf8');
  }
  take(path: string): void {
    rmSync(join(this.top, path), { recursive: true, force: true });
  }

  controller(name: string, { nqn, host, port = 4420, hostNqn, state = 'live' }: FakePath): void {
    const files = { transport: 'tcp', address: `traddr=${host},trsvcid=${port}`, subsysnqn: nqn };
    for (const [file, text] of Object.entries({ ...files, hostnqn: hostNqn, state, delete_controller: '' }))
      this.put(`sys/class/nvme/${name}/${file}`, `${text}\n`);
  }

  /** A device; its node stands as a file, which the driver takes where /dev is a test's. */
  device(name: string, nqn: string, uuid: string, { sectors = 2048, node = true } = {}): void {
    const files = { uuid, nguid: uuid, size: sectors, dev: '259:1', 'device/subsysnqn': nqn };
    for (const [file, text] of Object.entries(files)) this.put(`sys/block/${name}/${file}`, `${text}\n`);
    if (node) this.put(`dev/${name}`, '');
  }

  loop(name: string, file: string): void {
    this.put(`sys/block/${name}/loop/backing_file`, `${file}\n`);
    this.put(`sys/block/${name}/size`, '2048\n');
    this.put(`sys/block/${name}/dev`, `7:${name.slice(4)}\n`);
  }

  mounts(lines: readonly { readonly number: string; readonly path: string }[]): void {
    this.put(
      'proc/self/mountinfo',
      lines.map(({ number, path }) => `36 35 ${number} / ${path} rw - ext4 x rw\n`).join(''),
    );
  }

  process(pid: number, startTime: string, state = 'S'): void {
    const zeroes = Array.from({ length: 18 }, () => '0').join(' ');
    this.put(`proc/${pid}/stat`, `${pid} (a ) b) ${state} ${zeroes} ${startTime} 0\n`);
  }

  async unmountDead(path: string): Promise<void> {
    this.calls.push(`unmount ${path}`);
    this.mounts([]);
  }
  async removeLoop(device: string, file: string, evenIfUsed: boolean): Promise<void> {
    this.calls.push(`loop ${device.slice(this.roots.dev.length + 1)} ${file} ${evenIfUsed}`);
    this.take(`sys/block/${device.slice(this.roots.dev.length + 1)}`);
  }
  features: bigint | Error = 1n << 10n;
  async ublkFeatures(): Promise<bigint> {
    if (typeof this.features !== 'bigint') throw this.features;
    return this.features;
  }
  async removeUblk(uuid: string): Promise<void> {
    this.calls.push(`ublk ${uuid}`);
  }
  tryLock(): boolean {
    return true;
  }
  async startServer(_directory: string, uuid: string): Promise<{ pid: number }> {
    this.calls.push(`start ${uuid}`);
    return { pid: this.onStart(uuid) };
  }
  async run(program: string, argv: readonly string[]): Promise<void> {
    this.calls.push([program, ...argv].join(' '));
    this.onRun(program, argv);
  }
  kill(pid: number, signal: string): void {
    this.calls.push(`kill ${pid} ${signal}`);
    this.take(`proc/${pid}`);
  }
  remove(): void {
    rmSync(this.top, { recursive: true, force: true });
  }
}
