// The configuration file of `serve`: YAML (so JSON too), checked against one schema, every complaint with its
// line. Precedence is settled in settings.ts; nothing here looks at flags or the environment.
import { readFile } from 'node:fs/promises';
import { type Static, Type } from '@sinclair/typebox';
import { Value, type ValueError } from '@sinclair/typebox/value';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { ConfigError } from './errors.js';

const Text = Type.String({ minLength: 1 });
const TextOrNumber = Type.Union([Text, Type.Integer({ minimum: 0 })]);

export const ConfigSchema = Type.Object(
  {
    data: Type.Optional(Text),
    listen: Type.Optional(Type.Array(Text, { minItems: 1 })),
    storageInterface: Type.Optional(Text),
    advertise: Type.Optional(Text),
    apiListen: Type.Optional(Text),
    metricsListen: Type.Optional(Text),
    reactors: Type.Optional(TextOrNumber),
    spinUs: Type.Optional(TextOrNumber),
    inCapsule: Type.Optional(TextOrNumber),
    controllerIds: Type.Optional(Type.String()),
    poolMapMemory: Type.Optional(TextOrNumber),
    logLevel: Type.Optional(Text),
    keyFile: Type.Optional(Text),
    keyCommand: Type.Optional(Text),
    store: Type.Optional(Text),
    storeCa: Type.Optional(Text),
    storeCert: Type.Optional(Text),
    storeKey: Type.Optional(Text),
    storeUser: Type.Optional(Text),
    storePasswordFile: Type.Optional(Text),
    volumes: Type.Optional(Type.Record(Type.String(), Text)),
    replicas: Type.Optional(Type.Record(Type.String(), Text)),
    mirrors: Type.Optional(Type.Record(Type.String(), Text)),
  },
  { additionalProperties: false },
);

export type Config = Static<typeof ConfigSchema>;

export async function readConfig(file: string): Promise<Config> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(file, undefined, `cannot be read (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
  return parseConfig(text, file);
}

export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) throw new ConfigError(file, lines.linePos(broken.pos[0]).line, broken.message);
  const value: unknown = document.toJS() ?? {};
  if (Value.Check(ConfigSchema, value)) return value;
  const [first] = Value.Errors(ConfigSchema, value);
  if (first === undefined) throw new ConfigError(file, undefined, 'does not match the schema');
  throw new ConfigError(file, lineOf(document, first.path, lines), describe(first));
}

function describe(error: ValueError): string {
  const key = error.path.split('/').slice(1).join('.') || 'the file';
  return `${key}: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
}

// A missing or foreign key has no value of its own: then the line is that of what encloses it.
function lineOf(document: Document, path: string, lines: LineCounter): number | undefined {
  const keys = path
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  for (let length = keys.length; length > 0; length -= 1) {
    const parent: unknown =
      length === 1 ? document.contents : document.getIn(keys.slice(0, length - 1), true);
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && key.value === keys[length - 1])
      : undefined;
    const node = pair?.key ?? document.getIn(keys.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return document.contents?.range ? lines.linePos(document.contents.range[0]).line : undefined;
}
