// The node service on a socket of its own, called by grpc-js, over a fake attacher, a fake mounter and real
// directories. A daemon is only asked for volumes that live as long as a pod, and told of pods.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, makeClientConstructor } from '@grpc/grpc-js';
import { pino } from 'pino';
import { newCsiServer } from '../../../src/csi/driver.js';
import { Places } from '../../../src/csi/mounter/place.js';
import { VolumeRecords } from '../../../src/csi/node/records.js';
import { csiService } from '../../../src/csi/services.js';
import { RestStorage } from '../../../src/csi/storage.js';
import type { RpcServer } from '../../../src/rpc/server.js';
import { FakeAttacher } from '../../support/fake-attacher.js';
import { FakeMounter } from '../../support/fake-mounter.js';
import { hostNqn, mountWriter, refused } from './harness.js';

// biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
type Answer = any;
type Client = Record<string, unknown> & { close(): void };

export const volumeId = '11111111-2222-4333-8444-555555555501';

export class NodeHarness {
  readonly attacher = new FakeAttacher();
  readonly mounter = new FakeMounter(this.attacher);
  readonly lines: string[] = [];
  topology: Record<string, string> | undefined;
  /** Where a test says in which zone the machine is, by its name in the cluster. */
  zoneKey: string | undefined;
  hostName = '';
  volumesMax = 0;
  directory = '';
  /** Of a daemon that answers, where a test has one. */
  apiSocket = '';
  #server: RpcServer | undefined;
  #client: Client | undefined;

  async start(): Promise<void> {
    this.directory ||= await mkdtemp(join(tmpdir(), 'ballast-node-'));
    await mkdir(this.stagings, { recursive: true });
    await mkdir(this.targets, { recursive: true });
    await this.restart();
  }

  /** As a new process would: nothing but the state directory, the mounts and the devices is left. */
  async restart(): Promise<void> {
    await this.stop();
    const log = pino({ level: 'trace' }, { write: (line: string) => void this.lines.push(line) });
    const storage = new RestStorage({ socketPath: this.apiSocket || join(this.directory, 'none.sock') });
    this.#server = newCsiServer(
      { storage, log, version: '1.2.3' },
      {
        node: {
          attacher: this.attacher,
          mounter: this.mounter,
          kubeletDirectory: this.kubelet,
          stateDirectory: this.state,
          host: { hostNqn, hostId: '11111111-2222-4333-8444-555555555555' },
          volumesMax: this.volumesMax,
          hostName: this.hostName,
          ...(this.zoneKey !== undefined && { zoneKey: this.zoneKey }),
          ...(this.topology && { topology: this.topology }),
        },
      },
    );
    await this.#server.listen(this.socket);
    const Client = makeClientConstructor(csiService('Node'), 'Node');
    this.#client = new Client(`unix:${this.socket}`, credentials.createInsecure()) as never;
  }

  async stop(): Promise<void> {
    this.#client?.close();
    await this.#server?.close();
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  get socket(): string {
    return join(this.directory, 'csi.sock');
  }

  get kubelet(): string {
    return join(this.directory, 'kubelet');
  }

  get stagings(): string {
    return join(this.kubelet, 'plugins/csi/pv');
  }

  get targets(): string {
    return join(this.kubelet, 'pods');
  }

  get state(): string {
    return join(this.directory, 'state');
  }

  get records(): VolumeRecords {
    return new VolumeRecords(this.state);
  }

  staging(id = volumeId): string {
    return join(this.stagings, id);
  }

  target(name = 'pod-a'): string {
    return join(this.targets, name);
  }

  call(method: string, request: object = {}, options: object = {}): Promise<Answer> {
    const client = this.#client as Client;
    return new Promise((resolve, reject) => {
      const done = (error: { code: number; details: string } | null, answer: Answer) =>
        error === null ? resolve(answer) : reject(refused(error));
      (client[method] as (...all: unknown[]) => void).call(client, request, options, done);
    });
  }

  stageRequest(request: object = {}, id = volumeId): Record<string, unknown> {
    return {
      volumeId: id,
      stagingTargetPath: this.staging(id),
      volumeCapability: mountWriter,
      publishContext: {
        transport: 'tcp',
        addresses: '127.0.0.1:4420,127.0.0.2:4420',
        nqn: `nqn.2026-11.dev.ballast:volume:${id}`,
        nsid: '1',
        uuid: id,
      },
      ...request,
    };
  }

  publishRequest(request: object = {}, id = volumeId): Record<string, unknown> {
    return { ...this.stageRequest({}, id), targetPath: this.target(), ...request };
  }

  stage(request: object = {}, id = volumeId): Promise<Answer> {
    return this.call('NodeStageVolume', this.stageRequest(request, id));
  }

  unstage(request: object = {}, id = volumeId): Promise<Answer> {
    return this.call('NodeUnstageVolume', { volumeId: id, stagingTargetPath: this.staging(id), ...request });
  }

  publish(request: object = {}, id = volumeId): Promise<Answer> {
    return this.call('NodePublishVolume', this.publishRequest(request, id));
  }

  unpublish(request: object = {}, id = volumeId): Promise<Answer> {
    return this.call('NodeUnpublishVolume', { volumeId: id, targetPath: this.target(), ...request });
  }

  stats(volumePath: string, id = volumeId): Promise<Answer> {
    return this.call('NodeGetVolumeStats', { volumeId: id, volumePath });
  }

  /** Nothing is mounted, attached, recorded or left where pods would look. */
  async leftovers(): Promise<readonly string[]> {
    return [
      ...this.mounter.mounts.map(({ mountPoint }) => `mount ${mountPoint}`),
      ...[...this.attacher.attached.keys()].map((uuid) => `device of ${uuid}`),
      ...(await this.records.list()).map((record) => `record of ${record.volumeId}`),
      ...(await readdir(this.targets)).map((name) => `target ${name}`),
    ];
  }

  places(): Places {
    return new Places(this.kubelet);
  }
}
