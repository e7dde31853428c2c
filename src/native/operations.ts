// What JavaScript waits for: every call into the addon that answers later gets a number here, and the batches
// that the addon delivers are taken apart here. One table per environment, as the addon has one state per
// environment. What a callback of the user throws becomes an uncaught exception and disturbs nothing else.
import { binding, type NativeEvent } from './binding.js';
import type { HeadState, MirrorListeners } from './mirror-types.js';
import type { ControllerState, LogEntry, PerfProgress } from './types.js';

/** Why an operation failed, in the words of the data plane; callers make a DomainError of it. */
export interface NativeFailure {
  readonly code: string;
  readonly text: string;
}

interface PendingOperation {
  resolve(value: unknown): void;
  fail(failure: NativeFailure): void;
}

type StateListener = (state: ControllerState, text: string) => void;

const operations = new Map<number, PendingOperation>();
const ios = new Map<number, (status: number) => void>();
const stateListeners = new Map<number, StateListener>();
const namespaceListeners = new Map<number, () => void>();
const mirrorListeners = new Map<number, MirrorListeners>();
const progressListeners = new Map<number, (progress: PerfProgress) => void>();
const logListeners = new Set<(entry: LogEntry) => void>();
let lastNumber = 0;
let takesLog = false;

function nextNumber(): number {
  do {
    lastNumber = lastNumber === 0xffff_ffff ? 1 : lastNumber + 1;
  } while (operations.has(lastNumber) || ios.has(lastNumber));
  return lastNumber;
}

/** Starts an operation; `toError` makes the rejection. */
export function operate<T>(
  start: (op: number) => void,
  toError: (failure: NativeFailure) => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const op = nextNumber();
    operations.set(op, {
      resolve: (value) => resolve(value as T),
      fail: (failure) => reject(toError(failure)),
    });
    start(op);
  });
}

/** Starts an I/O; undefined when the controller is closed. The status 0 is success. */
export function startIo(
  controller: number,
  dwords: Uint32Array,
  buffer: Uint8Array | undefined,
): Promise<number> | undefined {
  const op = nextNumber();
  if (!binding.controllerIo(controller, op, dwords, buffer)) return undefined;
  return new Promise((resolve) => ios.set(op, resolve));
}

export function listenToState(controller: number, listener: StateListener): void {
  stateListeners.set(controller, listener);
}

/** The target said that its namespaces changed, or a lost connection is back. Ends with forgetState(). */
export function listenToNamespaces(controller: number, listener: () => void): void {
  namespaceListeners.set(controller, listener);
}

export function forgetState(controller: number): void {
  stateListeners.delete(controller);
  namespaceListeners.delete(controller);
}

/** What heads of this engine want of the store, and more; in place of those before. Until forgetMirrors(). */
export function listenToMirrors(engine: number, listeners: MirrorListeners): void {
  mirrorListeners.set(engine, listeners);
}

export function forgetMirrors(engine: number): void {
  mirrorListeners.delete(engine);
}

export function listenToProgress(op: number, listener: (progress: PerfProgress) => void): () => void {
  progressListeners.set(op, listener);
  return () => progressListeners.delete(op);
}

export function listenToLog(listener: (entry: LogEntry) => void): () => void {
  logListeners.add(listener);
  if (!takesLog) binding.takeLog();
  takesLog = true;
  return () => logListeners.delete(listener);
}

function callUser(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function deliverLog(entry: LogEntry): void {
  for (const listener of logListeners) callUser(() => listener(entry));
  if (logListeners.size === 0 && (entry.level === 'warn' || entry.level === 'error')) {
    process.stderr.write(`ballast ${entry.level}: ${entry.room}: ${entry.text}\n`);
  }
}

function deliverEvent(event: NativeEvent): void {
  switch (event[0]) {
    case 'op': {
      const [, op, code, text, value] = event;
      const pending = operations.get(op);
      operations.delete(op);
      if (code === '') pending?.resolve(value);
      else pending?.fail({ code, text });
      return;
    }
    case 'log': {
      deliverLog({ level: event[1], room: event[2], text: event[3] });
      return;
    }
    case 'state': {
      const [, controller, state, text] = event;
      stateListeners.get(controller)?.(state as ControllerState, text);
      return;
    }
    case 'namespaces': {
      namespaceListeners.get(event[1])?.();
      return;
    }
    case 'store': {
      const [, engine, volume, expectedRevision, wanted] = event;
      callUser(() => mirrorListeners.get(engine)?.onStoreRequest({ volume, expectedRevision, wanted }));
      return;
    }
    case 'head': {
      const [, engine, volume, state] = event;
      callUser(() => mirrorListeners.get(engine)?.onHeadState?.(volume, state as HeadState));
      return;
    }
    case 'seal': {
      const [, engine, replica, sealed] = event;
      callUser(() => mirrorListeners.get(engine)?.onSeal?.(replica, sealed));
      return;
    }
    case 'lost': {
      const [, engine, nqn, hostNqn, keepAliveMs, silentMs] = event;
      const host = { nqn: hostNqn, keepAliveMs, silentMs };
      callUser(() => mirrorListeners.get(engine)?.onHostLost?.(nqn, host));
      return;
    }
    case 'perf': {
      const [, op, elapsedSeconds, iops, bytesPerSecond, errors] = event;
      const listener = progressListeners.get(op);
      if (listener !== undefined) callUser(() => listener({ elapsedSeconds, iops, bytesPerSecond, errors }));
    }
  }
}

const completions: Float64Array = binding.setDeliver((iosCount, events) => {
  for (let i = 0; i < iosCount; i += 1) {
    const op = completions[2 * i] as number;
    const resolve = ios.get(op);
    ios.delete(op);
    resolve?.(completions[2 * i + 1] as number);
  }
  if (events !== undefined) for (const event of events) deliverEvent(event);
});

/** Runs a callback that a user gave, so that what it throws is reported and nothing else is disturbed. */
export { callUser };
