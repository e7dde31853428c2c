// A cluster for tests of drills: a control plane in memory, and a host whose disk is memory too. Its
// processes are real ones that do nothing but say `ready` (fake-node.mjs).
import { fileURLToPath } from 'node:url';
import { UnreachableError } from '../../src/base/errors.js';
import type { ClusterApi, ClusterVolume } from '../../src/drills/cluster/api.js';
import type { DrillHost } from '../../src/drills/host.js';
import type { LoadNamespace } from '../../src/drills/load.js';

export const fakeProgram = [
  process.execPath,
  fileURLToPath(new URL('fake-node.mjs', import.meta.url)),
] as const satisfies readonly [string, ...string[]];

export const wholeVolume: ClusterVolume = {
  ...{ nqn: 'nqn.2026-11.dev.ballast:volume:a', sizeBytes: 2 << 20, state: 'ready', head: 'n1' },
  addresses: [{ host: '127.0.0.1', port: 1 }],
  replicas: ['n1', 'n2', 'n3'].map((node) => ({ uuid: `u-${node}`, node, inSync: true, state: 'in_sync' })),
};

export class FakeClusterApi implements ClusterApi {
  readonly calls: string[] = [];
  current = wholeVolume;
  names: readonly string[] = ['n1', 'n2', 'n3'];
  down: readonly string[] = [];
  isReachable = true;
  onCall: (call: string) => void = () => undefined;

  createVolume = async ({ name, replicas }: { name: string; replicas: number }) =>
    this.#call(`create ${name} ${replicas}`);
  drain = async (node: string) => this.#call(`drain ${node}`);
  uncordon = async (node: string) => this.#call(`uncordon ${node}`);
  moveHead = async (volume: string, node: string) => this.#call(`move ${volume} ${node}`);

  async volume(): Promise<ClusterVolume> {
    if (!this.isReachable) throw new UnreachableError('controller', 'is away');
    return this.current;
  }

  async nodes() {
    return this.names.map((name) => ({ name, state: 'active', up: !this.down.includes(name) }));
  }

  #call(call: string): void {
    this.calls.push(call);
    this.onCall(call);
  }
}

export class FakeDrillHost implements DrillHost {
  readonly blocks = new Map<bigint, Buffer>();
  violation: { readonly block: bigint; readonly text: string } | undefined;
  histories: string[] = [];
  /** Of what members have, by their device. */
  contents: (device: string) => readonly string[] = () => ['same', 'same'];
  failWrite: () => Error | undefined = () => undefined;
  closed = 0;

  async connect() {
    const namespace: LoadNamespace = {
      read: async (lba) => {
        await this.#moment();
        return this.blocks.get(lba) ?? Buffer.alloc(512);
      },
      write: async (lba, data) => {
        await this.#moment();
        const error = this.failWrite();
        if (error !== undefined) throw error;
        this.blocks.set(lba, data);
      },
    };
    const close = async () => {
      this.closed += 1;
    };
    return { namespace, blockSizeBytes: 512, blocksCount: 4096n, path: 'fake', close };
  }

  async judge(lines: Uint8Array) {
    this.histories.push(Buffer.from(lines).toString('utf8'));
    const { violation } = this;
    return { blocksViolated: violation === undefined ? 0 : 1, ...(violation && { violation }) };
  }

  async digests(device: string) {
    return this.contents(device);
  }

  #moment(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1));
  }
}
