// proto/csi.proto against what CSI 1.12 publishes, and the types of src/csi/messages.ts against the proto.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect, it } from 'vitest';
import { typesOf } from '../../../proto/types.mjs';
import { published } from './published.js';

interface Descriptor {
  readonly name: string;
  readonly field: readonly { readonly name: string; readonly number: number; readonly type: string }[];
  readonly value: readonly { readonly name: string; readonly number: number }[];
  readonly nestedType: readonly (Descriptor & { readonly options: { readonly mapEntry: boolean } | null })[];
  readonly enumType: readonly Descriptor[];
}

const path = fileURLToPath(new URL('../../../proto/csi.proto', import.meta.url));
const loaded = Object.entries(loadSync(path, { keepCase: true })).filter(([name]) => name.startsWith('csi.'));

function lines(): Map<string, string> {
  const found = new Map<string, string>();
  const numbers = (all: Descriptor['value']) => all.map(({ name, number }) => `${name}=${number}`).join(' ');
  const add = (name: string, type: Descriptor) => {
    found.set(name, numbers(type.field));
    for (const one of type.enumType) found.set(`${name}.${one.name}`, numbers(one.value));
    for (const one of type.nestedType) if (!one.options?.mapEntry) add(`${name}.${one.name}`, one);
  };
  for (const [full, definition] of loaded) {
    const name = full.slice('csi.v1.'.length);
    const { format, type } = definition as unknown as { format?: string; type: Descriptor };
    if (format === undefined) found.set(`service ${name}`, Object.keys(definition).join(' '));
    else if (format.includes('Enum')) found.set(name, numbers(type.value));
    else add(name, type);
  }
  return found;
}

function expected(): Map<string, string> {
  const joined = published
    .trim()
    .replace(/\n {2}/g, ' ')
    .split('\n');
  return new Map(joined.map((line) => [line.split(':')[0] ?? '', line.split(': ')[1] ?? '']));
}

describe('proto/csi.proto', () => {
  it('has every service, message, enum, field and number of CSI 1.12, and no other', () => {
    expect(Object.fromEntries(lines())).toEqual(Object.fromEntries(expected()));
    expect(expected().size).toBe(107);
  });

  it('streams what is published as a stream, and nothing else', () => {
    const streams = loaded.flatMap(([, definition]) =>
      Object.entries(definition as object)
        .filter(([, method]) => method?.responseStream === true || method?.requestStream === true)
        .map(([name]) => name),
    );
    expect(streams).toEqual(['GetMetadataAllocated', 'GetMetadataDelta']);
  });

  it('marks every field of secrets', () => {
    const text = readFileSync(path, 'utf8');
    const secrets = text.match(/map<string, string> secrets = \d+\s*\[\(csi_secret\) = true/g);
    expect(secrets).toHaveLength(text.match(/ secrets = /g)?.length ?? 0);
    expect(secrets).toHaveLength(19);
  });
});

describe('src/csi/messages.ts', () => {
  it('is what proto/types.mjs makes of the proto', () => {
    const file = new URL('../../../src/csi/messages.ts', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(typesOf('csi'));
  });
});
