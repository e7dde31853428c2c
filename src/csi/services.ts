// The services of proto/csi.proto, loaded once: reading the file takes a tenth of a second.
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadServices, type Services } from '../rpc/services.js';

export type CsiServiceName = 'Identity' | 'Controller' | 'GroupController' | 'SnapshotMetadata' | 'Node';

let loaded: Services | undefined;

export function csiServices(): Services {
  loaded ??= loadServices(fileURLToPath(new URL('../../proto/csi.proto', import.meta.url)), 'csi.v1');
  return loaded;
}

export function csiService(name: CsiServiceName): ServiceDefinition {
  const found = csiServices().byName.get(name);
  if (found === undefined) throw new Error(`proto/csi.proto has no service ${name}`);
  return found;
}

/** Fields that are not logged: the interface says of mount flags that they may hold a secret. */
export function hiddenFields(): ReadonlySet<string> {
  return new Set([...csiServices().mapFields, 'mountFlags']);
}

const changing = [
  /^(?:Create|Delete)/,
  /^Controller(?:Publish|Unpublish|Expand|Modify)/,
  /^Node(?:Stage|Unstage|Publish|Unpublish|Expand)/,
];

/** Whether a method changes something: those are logged at info. */
export function changesSomething(method: string): boolean {
  return changing.some((pattern) => pattern.test(method));
}
