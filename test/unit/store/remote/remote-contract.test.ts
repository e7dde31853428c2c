// The contract through gRPC: what an agent has of the embedded store of its controller.
import { afterEach } from 'vitest';
import { openMemoryStore } from '../../../../src/store/memory/memory-store.js';
import type { RemoteStore } from '../../../../src/store/remote/remote-store.js';
import type { Store } from '../../../../src/store/types.js';
import { StoreServer } from '../../../support/store-server.js';
import { overrunHistory, storeContract } from '../contract.js';

const closing: (() => Promise<void>)[] = [];
const behind = new Map<Store, Store>();
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

storeContract(
  'the store of another process',
  async (clock): Promise<RemoteStore> => {
    const store = openMemoryStore(clock);
    const server = await StoreServer.open(store);
    const client = server.client({ clock });
    behind.set(client, store);
    closing.push(async () => {
      await server.close();
      await store.close();
    });
    return client;
  },
  (client) => overrunHistory(behind.get(client)!),
);
