// A machine as Kubernetes has it: a daemon with a pool, `ballast csi --mode all` by the driver fuse, and the
// calls that kubelet and the sidecars make, with the directories that kubelet makes. Either program may be
// killed and started again. Needs root, FUSE, loop devices and mkfs.ext4.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { leftovers, loopsOf, mountsBelow, processesOf } from '../../scripts/demo-csi/leftovers.mjs';
import type { CsiServiceName } from '../../src/csi/services.js';
import { type ApiAnswer, callApi } from './api-client.js';
import { projectTop, type Target, Workspace } from './ballast.js';
import { type CsiAnswer, CsiClient } from './csi-client.js';

const program = `${projectTop}/bin/ballast`;

/** What this machine has not that a CsiMachine needs; empty: it can be used. */
export const missingForCsi: readonly string[] = [
  process.getuid?.() === 0 ? '' : 'not root',
  existsSync('/dev/fuse') ? '' : 'no /dev/fuse',
  existsSync('/dev/loop-control') ? '' : 'no /dev/loop-control',
  spawnSync('mkfs.ext4', ['-V']).status === 0 ? '' : 'no mkfs.ext4',
].filter((reason) => reason !== '');

/** For the title of what is skipped without it. */
export const skippedForCsi = missingForCsi.length === 0 ? '' : ` (skipped: ${missingForCsi.join(', ')})`;

/** Said of a process that is away, or of a call that it was killed in: the same call again is the answer. */
const passing = new Set(['UNAVAILABLE', 'ABORTED', 'CANCELLED', 'DEADLINE_EXCEEDED']);
const insistMsMax = 120_000;

export interface Used {
  readonly volumeId: string;
  readonly volumeCapability: object;
}

export class CsiMachine {
  readonly workspace: Workspace;
  readonly csi: CsiClient;
  daemon!: Target;
  driver!: Target;
  nodeId = '';
  readonly #pool: string;

  private constructor(workspace: Workspace, pool: string) {
    this.workspace = workspace;
    this.#pool = pool;
    this.csi = new CsiClient(workspace.path('csi.sock'));
  }

  /** `pool`: the size of the only pool. */
  static async create(pool: string): Promise<CsiMachine> {
    const machine = new CsiMachine(await Workspace.create(), pool);
    for (const name of ['pods', 'plugins']) await mkdir(machine.path('kubelet', name), { recursive: true });
    await machine.startDaemon();
    await machine.startDriver();
    machine.nodeId = (await machine.csi.call('Node', 'NodeGetInfo')).nodeId;
    return machine;
  }

  path(...names: string[]): string {
    return join(this.workspace.directory, ...names);
  }

  /** Again at the address that it had: nodes know no other. */
  async startDaemon(): Promise<void> {
    const port = this.daemon?.port ?? 0;
    const pool = ['--ensure-pool', `p=${this.path('disk')}:${this.#pool}`];
    const options = ['--data', this.path('state'), '--listen', `tcp://127.0.0.1:${port}`, ...pool];
    this.daemon = await this.workspace.start(program, ['serve', ...options]);
    await this.daemon.ready;
    await this.daemon.api;
  }

  async startDriver(): Promise<void> {
    const places = ['--kubelet-dir', this.path('kubelet'), '--attach-dir', this.path('attach')];
    const how = ['--mode', 'all', '--driver', 'fuse', '--endpoint', `unix://${this.path('csi.sock')}`];
    this.driver = await this.workspace.start(program, ['csi', ...how, ...places]);
    await this.driver.ready;
  }

  api(path: string): Promise<ApiAnswer> {
    return callApi(`unix:${this.path('state/api.sock')}`, path);
  }

  /** As kubelet and the sidecars do: again, until it is done or refused. */
  async insist(service: CsiServiceName, method: string, request: object): Promise<CsiAnswer> {
    const until = Date.now() + insistMsMax;
    for (;;) {
      const answer = await this.csi.call(service, method, request);
      if (typeof answer !== 'string') return answer;
      if (!passing.has(answer) || Date.now() > until)
        throw new Error(`${this.csi.lastRefusal}\n${this.#lastSaid()}`);
      await sleep(50);
    }
  }

  async createVolume(name: string, sizeBytes: number, volumeCapability: object): Promise<Used> {
    const { volume } = await this.insist('Controller', 'CreateVolume', {
      name,
      volumeCapabilities: [volumeCapability],
      capacityRange: { requiredBytes: String(sizeBytes) },
    });
    return { volumeId: volume.volumeId, volumeCapability };
  }

  async deleteVolume({ volumeId }: Used): Promise<void> {
    await this.insist('Controller', 'DeleteVolume', { volumeId });
  }

  /** To the directory of a pod: where it is. */
  async use(used: Used): Promise<string> {
    await this.stage(used);
    return this.publish(used);
  }

  async stage({ volumeId, volumeCapability }: Used): Promise<void> {
    const published = { volumeId, nodeId: this.nodeId, volumeCapability };
    const { publishContext } = await this.insist('Controller', 'ControllerPublishVolume', published);
    const stagingTargetPath = this.path('kubelet/plugins', volumeId);
    await mkdir(stagingTargetPath, { recursive: true });
    const request = { volumeId, publishContext, stagingTargetPath, volumeCapability };
    await this.insist('Node', 'NodeStageVolume', request);
  }

  async publish({ volumeId, volumeCapability }: Used): Promise<string> {
    const targetPath = this.target(volumeId);
    await mkdir(this.path('kubelet/pods', volumeId), { recursive: true });
    const stagingTargetPath = this.path('kubelet/plugins', volumeId);
    const request = { volumeId, stagingTargetPath, targetPath, volumeCapability };
    await this.insist('Node', 'NodePublishVolume', request);
    return targetPath;
  }

  async unpublish({ volumeId }: Used): Promise<void> {
    await this.insist('Node', 'NodeUnpublishVolume', { volumeId, targetPath: this.target(volumeId) });
  }

  async unstage({ volumeId }: Used): Promise<void> {
    const stagingTargetPath = this.path('kubelet/plugins', volumeId);
    await this.insist('Node', 'NodeUnstageVolume', { volumeId, stagingTargetPath });
    await this.insist('Controller', 'ControllerUnpublishVolume', { volumeId, nodeId: this.nodeId });
  }

  async unuse(used: Used): Promise<void> {
    await this.unpublish(used);
    await this.unstage(used);
  }

  stats({ volumeId }: Used): Promise<CsiAnswer> {
    const request = { volumeId, volumePath: this.target(volumeId) };
    return this.csi.call('Node', 'NodeGetVolumeStats', request);
  }

  target(volumeId: string): string {
    return this.path('kubelet/pods', volumeId, 'volume');
  }

  /** The process that serves the device of a volume. */
  serverOf({ volumeId }: Used): number | undefined {
    return processesOf(this.workspace.directory, volumeId)[0];
  }

  #lastSaid(): string {
    return this.driver.stderr.split('\n').slice(-12).join('\n');
  }

  /** What is left on the node: mounts, loop devices, processes, records. */
  async leftOnNode(): Promise<string[]> {
    const records = await Promise.all(
      [this.path('attach'), this.path('kubelet/plugins/csi.ballast.dev/volumes')].map((directory) =>
        readdir(directory).catch(() => []),
      ),
    );
    return [...leftovers(this.workspace.directory), ...records.flat()];
  }

  /** Also after a failure: what is still there is taken away, dead or alive. */
  async remove(): Promise<void> {
    this.csi.close();
    const { directory } = this.workspace;
    for (const target of [this.driver, this.daemon]) await target?.kill();
    for (const pid of processesOf(directory)) process.kill(pid, 'SIGKILL');
    const images = this.path('attach/');
    const mounts = mountsBelow(directory).reverse();
    const unmount = (path: string) => spawnSync('umount', ['--lazy', path]);
    mounts.filter((path) => !path.startsWith(images)).forEach(unmount);
    for (const name of loopsOf(directory)) spawnSync('losetup', ['--detach', `/dev/${name}`]);
    mounts.filter((path) => path.startsWith(images)).forEach(unmount);
    await this.workspace.remove();
  }
}
