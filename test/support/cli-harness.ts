// Runs one command of the command line in this process, with a fake engine and captured streams.
import { Readable, Writable } from 'node:stream';
import type { Attacher } from '../../src/attach/types.js';
import type { ControllerSettings } from '../../src/base/cluster-settings.js';
import type { ReplicaSpec } from '../../src/base/replica-spec.js';
import type { EnsuredSettings } from '../../src/base/settings.js';
import type {
  CliContext,
  ControlOptions,
  CsiOptions,
  DataPlanePort,
  JoinClusterOptions,
  JoinWithTokenOptions,
  OpenedMirrors,
  OpenedPools,
  OtherVolume,
  WantedMirrors,
} from '../../src/cli/engine-port.js';
import { runProgram } from '../../src/cli/program.js';
import type { HistoryVerdict } from '../../src/native/history.js';
import { FakeEngine } from './fake-engine.js';

export class CapturedStream extends Writable {
  readonly chunks: Buffer[] = [];
  isTTY = false;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(Buffer.from(chunk));
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }
}

export class CliHarness {
  readonly engine = new FakeEngine();
  readonly stdout = new CapturedStream();
  readonly stderr = new CapturedStream();
  readonly notifications: string[] = [];
  readonly environment: Record<string, string | undefined> = {};
  enginesStarted = 0;
  exitedNow: number | undefined;
  control: ControlOptions | undefined;
  csi: CsiOptions | undefined;
  joined: JoinWithTokenOptions | undefined;
  dataPlane: DataPlanePort | undefined;
  onSleep: () => void = () => undefined;
  failApi: Error | undefined;
  others: readonly OtherVolume[] = [];
  ensured: EnsuredSettings = {};
  pools: OpenedPools = { volumes: [], problems: [] };
  replicas: readonly ReplicaSpec[] = [];
  wanted: WantedMirrors | undefined;
  mirrors: OpenedMirrors = { replicas: [], volumes: [], problems: [] };
  attacher: Attacher | undefined;
  verdict: HistoryVerdict = { operations: 0, blocks: 0, blocksViolated: 0 };
  /** That were to be judged. */
  readonly histories: string[] = [];
  cluster: JoinClusterOptions | undefined;
  controller: ControllerSettings | undefined;
  attacherOptions: object = {};
  stdin: Readable = Readable.from([]);
  #onSignal: ((name: string) => void) | undefined;

  run(...argv: string[]): Promise<number> {
    const context: CliContext = {
      version: '1.2.3',
      program: ['/none/ballast'],
      environment: this.environment,
      stdin: this.stdin,
      stdout: this.stdout,
      stderr: this.stderr,
      startEngine: async (options) => {
        this.enginesStarted += 1;
        this.engine.started = options;
        return this.engine;
      },
      startControl: async (options) => {
        this.engine.steps.push('control');
        this.control = options;
        return {
          openPools: async (_engine, others, ensured, replicas) => {
            this.replicas = replicas;
            this.ensured = ensured;
            this.engine.steps.push('pools');
            this.others = others;
            return this.pools;
          },
          openMirrors: async (_engine, wanted) => {
            this.engine.steps.push('mirrors');
            this.wanted = wanted;
            return this.mirrors;
          },
          serveApi: async (dataPlane) => {
            this.engine.steps.push('api');
            if (this.failApi !== undefined) throw this.failApi;
            this.dataPlane = dataPlane;
            return ['http://127.0.0.1:1/v1/', 'unix:/s'];
          },
          joinCluster: async (options) => {
            this.engine.steps.push('join cluster');
            this.cluster = options;
            const step = (name: string) => async () => void this.engine.steps.push(name);
            return {
              controllerIds: { first: 1025, last: 2048 },
              ...{ start: step('start node'), announce: step('announce node') },
              ...{ stop: step('stop node'), close: step('close node') },
            };
          },
          closeApi: async () => void this.engine.steps.push('close api'),
          close: async () => void this.engine.steps.push('close control'),
        };
      },
      startController: async (settings) => {
        this.controller = settings;
        return { places: ['store for agents 127.0.0.1:8430'], close: async () => undefined };
      },
      joinWithToken: async (options) => {
        this.joined = options;
        const controllers = [`${options.address.host}:8430`];
        return { name: options.name, nodeId: 'u', controllers, validTo: '2027-11-22T00:00:00.000Z' };
      },
      startCsi: async (options) => {
        this.csi = options;
        const { metricsListen } = options;
        return {
          ...(metricsListen !== undefined && { metricsAddress: metricsListen }),
          close: async () => void this.engine.steps.push('close csi'),
        };
      },
      hostIdentity: async () => ({
        hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555',
        hostId: '11111111-2222-3333-4444-555555555555',
      }),
      createAttacher: async (options) => {
        this.attacherOptions = options;
        if (this.attacher === undefined) throw new Error('the test has no attacher');
        return this.attacher;
      },
      serveAttachment: async () => undefined,
      checkHistory: async (lines) => {
        this.histories.push(Buffer.from(lines).toString('utf8'));
        return this.verdict;
      },
      notifyServiceManager: async (state) => void this.notifications.push(state),
      onStopSignal: (callback) => {
        this.#onSignal = callback;
        return () => {
          this.#onSignal = undefined;
        };
      },
      sleep: async () => this.onSleep(),
      exitNow: (code) => {
        this.exitedNow = code;
      },
    };
    return runProgram(context, '1.2.3', argv);
  }

  get listensToSignals(): boolean {
    return this.#onSignal !== undefined;
  }

  signal(name = 'SIGTERM'): void {
    this.#onSignal?.(name);
  }

  /** Resolves when stdout has the text. */
  async printed(text: string): Promise<void> {
    while (!this.stdout.text.includes(text)) await new Promise((resolve) => setImmediate(resolve));
  }
}
