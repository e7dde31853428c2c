// What the tests of the native engine share: engines that are closed after each test, and a served volume
// with a connection to it, through real loopback TCP on a port that the kernel chooses.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { DomainError } from '../../../src/base/errors.js';
import { type ConnectOptions, type Controller, Engine, type Namespace } from '../../../src/native/index.js';
import type { EngineOptions, ListenAddress, VolumeInfo, VolumeOptions } from '../../../src/native/types.js';

export const testNqn = 'nqn.2026-11.dev.ballast:test:volume';
export const mebibyte = 1n << 20n;

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const engine = await Engine.start({ onLog: () => undefined, ...options });
  cleanups.push(() => engine.close());
  return engine;
}

export function memoryVolume(changes: Partial<VolumeOptions> = {}): VolumeOptions {
  return {
    name: 'test',
    kind: 'memory',
    sizeBytes: 4n * mebibyte,
    nqn: testNqn,
    uuid: randomUUID(),
    ...changes,
  };
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ballast-native-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Served {
  readonly engine: Engine;
  readonly volume: VolumeInfo;
  readonly address: ListenAddress;
}

export async function serve(
  changes: Partial<VolumeOptions> = {},
  options: EngineOptions = {},
): Promise<Served> {
  const engine = await startEngine(options);
  const volume = await engine.addVolume(memoryVolume(changes));
  const address = await engine.listen({ host: '127.0.0.1', port: 0 });
  return { engine, volume, address };
}

export interface Connected extends Served {
  readonly controller: Controller;
  readonly namespace: Namespace;
}

/** The host's engine is another one than the target's. */
export async function serveAndConnect(
  connect: Partial<ConnectOptions> = {},
  volume: Partial<VolumeOptions> = {},
): Promise<Connected> {
  const served = await serve(volume);
  const host = await startEngine();
  const controller = await host.connect({ ...served.address, nqn: served.volume.nqn, ...connect });
  const namespace = controller.namespace(served.volume.nsid);
  if (namespace === undefined) throw new Error('the volume is not among the namespaces');
  return { ...served, controller, namespace };
}

/** What a promise rejects with; fails when it does not reject. */
export async function rejection(promise: Promise<unknown>): Promise<DomainError> {
  try {
    await promise;
  } catch (error) {
    return error as DomainError;
  }
  throw new Error('expected a rejection');
}

export function pattern(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i += 1) buffer[i] = (i * 31 + seed * 7 + (i >> 8)) & 0xff;
  return buffer;
}
