// A data plane with two volumes, for tests of the REST API; one counter is above 2^53.
import type { DataPlane } from '../../src/api/sources.js';
import type { AnaState } from '../../src/base/ana.js';

export const bigCount = 2n ** 60n;
/** What was set last, by volume. */
export const fakeAnaStates = new Map<string, AnaState>();

const demoCounters = {
  name: 'demo',
  reads: 5n,
  writes: 6n,
  readBytes: bigCount,
  writeBytes: 8n,
  errors: 0n,
};

export const fakeDataPlane: DataPlane = {
  volumes: () => [
    {
      name: 'demo',
      kind: 'file',
      nqn: 'nqn.2026-11.dev.ballast:volume:11111111-2222-3333-4444-555555555555',
      nsid: 1,
      uuid: '11111111-2222-3333-4444-666666666666',
      sizeBytes: 1n << 30n,
      blockSizeBytes: 4096,
      durable: true,
    },
    {
      name: 'huge',
      kind: 'null',
      nqn: 'nqn.2026-11.dev.ballast:huge',
      nsid: 2,
      uuid: '11111111-2222-3333-4444-777777777777',
      sizeBytes: bigCount,
      blockSizeBytes: 512,
      durable: false,
    },
  ],
  listeners: () => [{ host: '127.0.0.1', port: 4420 }],
  counters: () => ({
    reactors: [{ turns: 1, sleeps: 2, messages: 3, busyNs: bigCount, connections: 4 }],
    volume: (name) => [demoCounters].find((one) => one.name === name),
    transport: { connections: 4, connectionsTotal: 9n, bytesReceived: 10n, bytesSent: 11n },
    controllers: 2,
  }),
  setAnaState: async (volume, state) => void fakeAnaStates.set(volume, state),
  volumeCounters: (name) => [demoCounters].find((one) => one.name === name),
};
