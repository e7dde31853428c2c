// The services of a .proto file as grpc-js takes them, and which fields of their messages are maps. How
// messages are decoded is decided here once: proto/types.mjs makes types of exactly this.
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface Services {
  readonly byName: ReadonlyMap<string, ServiceDefinition>;
  /** Names of fields, as messages have them: publishContext, secrets. */
  readonly mapFields: ReadonlySet<string>;
}

interface Descriptor {
  readonly field: readonly { readonly name: string; readonly typeName: string }[];
  readonly nestedType: readonly (Descriptor & {
    readonly name: string;
    readonly options: { readonly mapEntry?: boolean } | null;
  })[];
}

export function loadServices(path: string, packageName: string): Services {
  const loaded = loadSync(path, { longs: String, enums: String, defaults: true, oneofs: true });
  const byName = new Map<string, ServiceDefinition>();
  const mapFields = new Set<string>();
  for (const [name, definition] of Object.entries(loaded)) {
    if (!name.startsWith(`${packageName}.`)) continue;
    const { format, type } = definition as { format?: unknown; type?: unknown };
    if (typeof format !== 'string') {
      byName.set(name.slice(packageName.length + 1), definition as ServiceDefinition);
    } else if ((type as Partial<Descriptor>).field !== undefined) {
      addMaps(type as Descriptor, mapFields);
    }
  }
  return { byName, mapFields };
}

function addMaps({ field, nestedType }: Descriptor, found: Set<string>): void {
  const entries = new Set(nestedType.filter(({ options }) => options?.mapEntry).map(({ name }) => name));
  for (const { name, typeName } of field) {
    if (entries.has(typeName)) found.add(camel(name));
  }
  for (const nested of nestedType) addMaps(nested, found);
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
