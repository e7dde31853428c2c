// Objects by kind and name, without what the two ways of installing have each of their own: the labels that
// say who installed it, and the namespace, which helm makes itself.
import type { ManifestObject } from '../../src/manifests/common.js';

const installer = 'app.kubernetes.io/managed-by';

export function comparable(objects: readonly ManifestObject[]): Readonly<Record<string, unknown>> {
  const named: Record<string, unknown> = {};
  for (const object of objects.filter(({ kind }) => kind !== 'Namespace')) {
    const { labels = {}, ...metadata } = object.metadata;
    const { [installer]: _, ...rest } = labels as Record<string, string>;
    const name = `${object.kind} ${metadata.name}`;
    if (Object.hasOwn(named, name)) throw new Error(`${name} is there twice`);
    named[name] = withoutEmpty({ ...object, metadata: { ...metadata, labels: rest } });
  }
  return named;
}

/** `env: []` and no env are the same to the API. A policy's `ingress: []` is not, but both say it. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, one]) => !(key === 'env' && isEmpty(one)));
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutEmpty(one)]));
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
