// A connected NVMe controller: its namespaces, its state, admin commands and load runs. Made by
// Engine.connect().
import { AbortedError, ClosedError, NamespaceNotFoundError, NvmeStatusError } from '../base/errors.js';
import { binding, type NativeController, type NativeResults } from './binding.js';
import { check, checkBoolean, checkFunction, checkInteger, checkObject, checkSignal } from './checks.js';
import { controllerFailure, decodeStatus } from './failures.js';
import { Namespace } from './namespace.js';
import { callUser, forgetState, listenToNamespaces, listenToProgress, operate } from './operations.js';
import type {
  AdminCommand,
  AdminCompletion,
  ControllerInfo,
  ControllerState,
  PathInfo,
  PerfOptions,
  PerfProgress,
  PerfResult,
} from './types.js';

export const perfWorkloads = ['randread', 'randwrite', 'randrw', 'read', 'write'] as const;
const adminDataBytesMax = 128 * 1024;

export type StateCallback = (state: ControllerState, text: string) => void;

export class Controller {
  readonly info: ControllerInfo;
  readonly namespaces: readonly Namespace[];
  readonly #id: number;
  readonly #identify: Buffer;
  readonly #callbacks = new Set<StateCallback>();
  readonly #afterClose: () => Promise<void>;
  #state: ControllerState = 'live';
  #closing: Promise<void> | undefined;

  /** For Engine.connect(). `afterClose` runs once, when the controller is closed. */
  constructor(id: number, native: NativeController, afterClose: () => Promise<void>) {
    const { namespaces, identifyController, ...info } = native;
    this.#id = id;
    this.info = info;
    this.#identify = identifyController;
    this.#afterClose = afterClose;
    const isClosed = (): boolean => this.#closing !== undefined || this.#state === 'closed';
    const path = {
      id,
      transferBytesMax: info.transferBytesMax,
      get isClosed() {
        return isClosed();
      },
    };
    this.namespaces = namespaces.map((namespace) => new Namespace(namespace, path));
  }

  /** For the engine. */
  get nativeId(): number {
    return this.#id;
  }

  get state(): ControllerState {
    return this.#state;
  }

  /** Calls back at each change of state; returns what ends that. */
  onState(callback: StateCallback): () => void {
    check(typeof callback === 'function', 'callback', 'a function');
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  /** Calls back when the namespaces may have changed, their sizes too: from then on, one callback only. */
  onNamespaces(callback: () => void): void {
    listenToNamespaces(this.#id, () => callUser(callback));
  }

  /** For the engine: the native side says that the state changed. */
  changeState(state: ControllerState, text: string): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const callback of this.#callbacks) callUser(() => callback(state, text));
  }

  /** The namespace of this identifier; undefined when it is not active. */
  namespace(nsid: number): Namespace | undefined {
    return this.namespaces.find((candidate) => candidate.nsid === nsid);
  }

  /** The 4096 bytes of Identify Controller, as they came. */
  identifyController(): Buffer {
    return Buffer.from(this.#identify);
  }

  /** The ways to the subsystem, as they are now. */
  async paths(): Promise<readonly PathInfo[]> {
    this.#checkOpen();
    return operate<NativeResults['paths']>(
      (op) => binding.controllerPaths(this.#id, op),
      controllerFailure('list paths'),
    );
  }

  async adminPassthrough(command: AdminCommand): Promise<AdminCompletion> {
    checkObject(command, 'command');
    const opcode = checkInteger(command.opcode, 'opcode', 0, 0xff);
    const words = ['nsid', 'cdw10', 'cdw11', 'cdw12', 'cdw13', 'cdw14', 'cdw15'] as const;
    const values = words.map((word) => checkInteger(command[word] ?? 0, word, 0, 0xffff_ffff));
    const { data } = command;
    check(
      data === undefined ||
        (data instanceof Uint8Array && data.length > 0 && data.length <= adminDataBytesMax),
      'data',
      `a Buffer of 1 to ${adminDataBytesMax} bytes`,
    );
    this.#checkOpen();
    const dwords = Uint32Array.of(opcode, ...values);
    const [status, dw0, dw1] = await operate<NativeResults['admin']>(
      (op) => binding.controllerAdmin(this.#id, op, dwords, data),
      controllerFailure('admin command'),
    );
    if (status !== 0) throw new NvmeStatusError('admin command', decodeStatus(status));
    return { dw0, dw1 };
  }

  /** Keeps the queues full for a while and measures. Writing workloads overwrite the namespace. */
  async perf(options: PerfOptions, onProgress?: (progress: PerfProgress) => void): Promise<PerfResult> {
    const native = this.#checkPerf(options);
    checkFunction(onProgress, 'onProgress');
    const { signal } = options;
    if (signal?.aborted) throw new AbortedError('perf', { cause: signal.reason });
    this.#checkOpen();
    let finish = (): void => undefined;
    try {
      const result = await operate<NativeResults['perf']>((op) => {
        const forget = onProgress === undefined ? undefined : listenToProgress(op, onProgress);
        const stop = (): void => binding.controllerStopPerf(this.#id, op);
        signal?.addEventListener('abort', stop, { once: true });
        finish = () => {
          forget?.();
          signal?.removeEventListener('abort', stop);
        };
        binding.controllerPerf(this.#id, op, native);
      }, controllerFailure('perf'));
      const errorCounts = result.errorCounts.map(([status, count]) => ({
        status: decodeStatus(status),
        count,
      }));
      return { ...result, errorCounts };
    } finally {
      finish();
    }
  }

  /** Shuts the controller down; I/O in flight rejects with CLOSED. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await operate<void>((op) => binding.controllerClose(this.#id, op), controllerFailure('close'));
    this.changeState('closed', 'closed by us');
    forgetState(this.#id);
    await this.#afterClose();
  }

  #checkOpen(): void {
    if (this.#closing !== undefined || this.#state === 'closed') throw new ClosedError('the controller');
  }

  #checkPerf(options: PerfOptions) {
    checkObject(options, 'options');
    checkSignal(options.signal);
    check(perfWorkloads.includes(options.rw), 'rw', perfWorkloads.join(', '));
    check(
      typeof options.seconds === 'number' && options.seconds > 0 && options.seconds <= 1_000_000,
      'seconds',
      'a number above 0, at most 1,000,000',
    );
    const first = this.namespaces[0];
    check(options.nsid !== undefined || first !== undefined, 'nsid', 'a controller that has a namespace');
    const nsid = checkInteger(options.nsid ?? first?.nsid, 'nsid', 1, 0xffff_fffe);
    if (this.namespace(nsid) === undefined) throw new NamespaceNotFoundError(this.info.subsystemNqn, nsid);
    return {
      nsid,
      rw: options.rw,
      blockSizeBytes: checkInteger(options.blockSizeBytes, 'blockSizeBytes', 512, 2 ** 30),
      queueDepth: checkInteger(options.queueDepth, 'queueDepth', 1, 1024),
      rwMixPercent: checkInteger(options.rwMixPercent ?? 70, 'rwMixPercent', 0, 100),
      queues: checkInteger(options.queues ?? 0, 'queues', 0, 128),
      milliseconds: Math.max(1, Math.round(options.seconds * 1000)),
      verify: checkBoolean(options.verify, 'verify'),
      seed: checkInteger(options.seed ?? 1, 'seed', 0, 0xffff_ffff),
    };
  }
}
