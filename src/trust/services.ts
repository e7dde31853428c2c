// The services of proto/join.proto, loaded once: reading the file takes a while.
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadServices, type Services } from '../rpc/services.js';

let loaded: Services | undefined;

export function joinService(): ServiceDefinition {
  return serviceOf('Join');
}

export function membershipService(): ServiceDefinition {
  return serviceOf('Membership');
}

function serviceOf(name: string): ServiceDefinition {
  loaded ??= loadServices(
    fileURLToPath(new URL('../../proto/join.proto', import.meta.url)),
    'ballast.join.v1',
  );
  const found = loaded.byName.get(name);
  if (found === undefined) throw new Error(`proto/join.proto has no service ${name}`);
  return found;
}
