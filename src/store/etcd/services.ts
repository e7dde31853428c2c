// The services of proto/etcd.proto, loaded once: reading the file takes a while.
import { fileURLToPath } from 'node:url';
import { type Methods, methodsOf } from '../../rpc/connection.js';
import { loadServices } from '../../rpc/services.js';
import type { AuthService, KVService, LeaseService, WatchService } from './messages.js';

export interface EtcdServices {
  readonly kv: Methods<KVService>;
  readonly watch: Methods<WatchService>;
  readonly lease: Methods<LeaseService>;
  readonly auth: Methods<AuthService>;
}

let loaded: EtcdServices | undefined;

export function etcdServices(): EtcdServices {
  loaded ??= load();
  return loaded;
}

function load(): EtcdServices {
  const path = fileURLToPath(new URL('../../../proto/etcd.proto', import.meta.url));
  const { byName } = loadServices(path, 'etcdserverpb');
  const methods = <Service>(name: string): Methods<Service> => {
    const found = byName.get(name);
    if (found === undefined) throw new Error(`proto/etcd.proto has no service ${name}`);
    return methodsOf<Service>(found);
  };
  return { kv: methods('KV'), watch: methods('Watch'), lease: methods('Lease'), auth: methods('Auth') };
}
