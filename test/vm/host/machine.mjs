// One virtual machine: boots a kernel with the Debian image, runs a script in it and ends. Called by run.mjs
// and boot.mjs. What the script prints comes line by line; the job directory is shared with the guest, which
// sees it as /job. The guest reaches the host's 127.0.0.1 as 10.0.2.2, over QEMU's own TCP stack: nothing on
// the host needs root.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const sourceDirectory = dirname(dirname(fileURLToPath(import.meta.url)));

/** Paths of what setup.sh made, by the names that common.sh gives them. */
export function parts(kernel) {
  const script =
    '. "$1/common.sh"; echo "$vm_dir"; kernel_image "$2"; initrd "$2"; image; cat "$vm_dir/accelerator"';
  const out = execFileSync('bash', ['-c', script, 'parts', sourceDirectory, kernel], { encoding: 'utf8' });
  const [directory, kernelImage, initrd, image, accelerator] = out.trim().split('\n');
  return { directory, kernelImage, initrd, image, accelerator };
}

export class Machine {
  #child;
  #parts;
  #options;

  /**
   * options: kernel, cpus, memoryMib, timeLimitMs, onLine(text); `disks`, a property: { SERIAL: PATH }, which
   * the guest finds by these numbers. What it writes there is not synced on the host.
   */
  constructor(options) {
    this.#options = { cpus: 2, memoryMib: 512, timeLimitMs: 600_000, onLine: () => {}, ...options };
    this.disks = {};
    this.#parts = parts(options.kernel);
    const jobs = join(this.#parts.directory, 'jobs');
    mkdirSync(jobs, { recursive: true });
    this.jobDirectory = mkdtempSync(join(jobs, `${options.kernel}-`));
  }

  /** Resolves with { outcome: 'ended' | 'died' | 'timeout', status } once QEMU is gone. */
  async run(script) {
    writeFileSync(join(this.jobDirectory, 'script'), script);
    const child = spawn('qemu-system-x86_64', this.#arguments(), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, this.#options.timeLimitMs);
    createInterface({ input: child.stdout }).on('line', (line) => this.#options.onLine(line));
    let complaints = '';
    child.stderr.on('data', (data) => {
      complaints += data;
    });
    await new Promise((resolve, reject) => {
      child.on('close', resolve);
      child.on('error', reject);
    });
    clearTimeout(timer);
    const statusFile = join(this.jobDirectory, 'status');
    if (existsSync(statusFile)) return { outcome: 'ended', status: Number(readFileSync(statusFile, 'utf8')) };
    if (!late && complaints) writeFileSync(join(this.jobDirectory, 'qemu.log'), complaints);
    return { outcome: late ? 'timeout' : 'died', status: undefined };
  }

  kill() {
    this.#child?.kill('SIGKILL');
  }

  /** The last lines the kernel printed and what QEMU complained about: for a machine that died. */
  lastWords(count = 25) {
    const read = (name) => {
      const path = join(this.jobDirectory, name);
      return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-count) : [];
    };
    return [...read('console.log'), ...read('qemu.log')];
  }

  remove() {
    rmSync(this.jobDirectory, { recursive: true, force: true });
  }

  #arguments() {
    const { kernelImage, initrd, image, accelerator } = this.#parts;
    const { cpus, memoryMib } = this.#options;
    // QEMU 7.2 emulates cmpxchg16b with wrong flags once in a while, which ends in a panic of the guest's
    // allocator: without the feature the kernel uses other instructions. Five-level page tables only cost
    // time.
    const acceleration =
      accelerator === 'kvm'
        ? ['-accel', 'kvm', '-cpu', 'host']
        : ['-accel', 'tcg,thread=multi', '-cpu', 'max,cx16=off,la57=off'];
    const append =
      'console=ttyS0 loglevel=5 mitigations=off no_timer_check random.trust_cpu=on panic=-1 ' +
      'net.ifnames=0 cryptomgr.notests raid=noautodetect';
    return [
      ...acceleration,
      ...['-machine', 'pc', '-smp', String(cpus), '-m', String(memoryMib)],
      ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
      ...['-kernel', kernelImage, '-initrd', initrd, '-append', append],
      ...['-serial', `file:${join(this.jobDirectory, 'console.log')}`, '-serial', 'stdio'],
      ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x4'],
      ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
      ...['-device', 'virtio-rng-pci'],
      ...[
        '-drive',
        `file=${image},format=raw,if=none,id=root,readonly=on`,
        '-device',
        'virtio-blk-pci,drive=root',
      ],
      ...Object.entries(this.disks).flatMap(([serial, path]) => [
        ...['-drive', `file=${path},format=raw,if=none,id=${serial},cache=unsafe,discard=unmap`],
        ...['-device', `virtio-blk-pci,drive=${serial},serial=${serial}`],
      ]),
      ...['-fsdev', `local,id=job,path=${this.jobDirectory},security_model=none`],
      ...['-device', 'virtio-9p-pci,fsdev=job,mount_tag=job'],
    ];
  }
}
