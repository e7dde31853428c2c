// The service of proto/store.proto, loaded once: reading the file takes a while.
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadServices } from '../../rpc/services.js';

let loaded: ServiceDefinition | undefined;

export function storeService(): ServiceDefinition {
  if (loaded === undefined) {
    const path = fileURLToPath(new URL('../../../proto/store.proto', import.meta.url));
    loaded = loadServices(path, 'ballast.store.v1').byName.get('Store');
    if (loaded === undefined) throw new Error('proto/store.proto has no service Store');
  }
  return loaded;
}
