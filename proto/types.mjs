// Makes the TypeScript types of an interface in proto/ from its descriptors:
//   node proto/types.mjs csi > src/csi/messages.ts
//   node proto/types.mjs etcd > src/store/etcd/messages.ts
//   node proto/types.mjs store > src/store/remote/messages.ts
//   node proto/types.mjs join > src/trust/messages.ts
// Types are those of messages as src/rpc decodes them (loadServices there): no field is absent but those of a
// oneof, an absent message is null, 64-bit numbers are decimal strings, enums are the names of their values.
// Tests beside those of the rooms say when a file is not what this makes.
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';

const scalars = {
  TYPE_STRING: 'string',
  TYPE_BYTES: 'Uint8Array',
  TYPE_INT64: 'string',
  TYPE_UINT64: 'string',
  TYPE_INT32: 'number',
  TYPE_UINT32: 'number',
  TYPE_BOOL: 'boolean',
};

const wellKnown = {
  'google.protobuf.BoolValue': '{ readonly value: boolean }',
  'google.protobuf.Int64Value': '{ readonly value: string }',
  'google.protobuf.Timestamp': '{ readonly seconds: string; readonly nanos: number }',
};

export function typesOf(name) {
  const file = fileURLToPath(new URL(`${name}.proto`, import.meta.url));
  const own = Object.entries(loadSync(file, { keepCase: true })).filter(
    ([path]) => !path.startsWith('google.protobuf.'),
  );
  const known = new Set(own.flatMap(([path, { type }]) => (type === undefined ? [] : pathsOf(path, type))));
  const blocks = [
    [
      `// Made by proto/types.mjs from proto/${name}.proto: change that, make it again. Absent is '',`,
      "// '0', 0, false, [], {} or, for a message, null; of a oneof, the field that its name tells is there.",
    ],
    ...own.filter(([, it]) => isEnum(it)).map(([path, { type }]) => enumOf(path, type)),
    ...own.filter(([, it]) => isMessage(it)).flatMap(([path, { type }]) => all(path, type, known)),
    ...own.filter(([, it]) => !isEnum(it) && !isMessage(it)).map(([path, it]) => serviceOf(path, it)),
  ];
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function isEnum({ format }) {
  return format?.includes('EnumDescriptor') === true;
}

function isMessage({ format }) {
  return format !== undefined && !isEnum({ format });
}

/** csi.v1.VolumeCapability.AccessMode.Mode is VolumeCapabilityAccessModeMode. */
function typeName(path) {
  return path
    .split('.')
    .filter((part) => /^[A-Z]/.test(part))
    .join('');
}

function enumOf(path, type) {
  const names = type.value.map(({ name }) => `'${name}'`);
  const line = `export type ${typeName(path)} = ${names.join(' | ')};`;
  if (line.length <= 110) return [line];
  return [
    `export type ${typeName(path)} =`,
    ...names.slice(0, -1).map((name) => `  | ${name}`),
    `  | ${names.at(-1)};`,
  ];
}

/** A message, and before it those that are declared within it. */
function all(path, type, known) {
  const nested = type.nestedType.filter(({ options }) => !options?.mapEntry);
  return [
    ...type.enumType.map((it) => enumOf(`${path}.${it.name}`, it)),
    ...nested.flatMap((it) => all(`${path}.${it.name}`, it, known)),
    messageOf(path, type, known),
  ];
}

function messageOf(path, type, known) {
  const name = typeName(path);
  if (type.field.length === 0) return [`export type ${name} = Readonly<Record<string, never>>;`];
  // proto-loader gives every field the index 0 that is in no oneof; none of ours has a second oneof, and what
  // is in it comes first.
  const oneof = type.oneofDecl[0]?.name;
  const members = oneof === undefined ? [] : type.field.filter((field) => isMember(path, field.name));
  const fields = type.field.map((field) => {
    const key = camel(field.name);
    const inOneof = members.includes(field);
    return `  readonly ${key}${inOneof ? '?' : ''}: ${fieldType(path, type, field, inOneof, known)};`;
  });
  if (oneof !== undefined) {
    fields.push(
      `  readonly ${camel(oneof)}?: ${members.map((field) => `'${camel(field.name)}'`).join(' | ')};`,
    );
  }
  return [`export interface ${name} {`, ...fields, '}'];
}

/** Of the oneofs of CSI; the descriptors do not tell. */
function isMember(path, field) {
  return !(path.endsWith('.VolumeCapability') && field === 'access_mode');
}

function fieldType(path, parent, field, inOneof, known) {
  const entry = parent.nestedType.find(({ name, options }) => name === field.typeName && options?.mapEntry);
  if (entry !== undefined) return 'Readonly<Record<string, string>>';
  const plain = scalars[field.type] ?? wellKnown[field.typeName.replace(/^\./, '')];
  const base = plain ?? named(path, known, field);
  if (field.label === 'LABEL_REPEATED') return `readonly ${base}[]`;
  return field.type === 'TYPE_MESSAGE' && !inOneof ? `${base} | null` : base;
}

/** As protobuf looks a name up: in the message, then in those around it. */
function named(path, known, { typeName: wanted }) {
  const parts = path.split('.');
  for (let count = parts.length; count > 0; count -= 1) {
    const candidate = [...parts.slice(0, count), wanted].join('.');
    if (known.has(candidate)) return typeName(candidate);
  }
  throw new Error(`${path}: ${wanted} is not declared`);
}

function pathsOf(path, { nestedType = [], enumType = [] }) {
  return [
    path,
    ...enumType.map(({ name }) => `${path}.${name}`),
    ...nestedType.flatMap((it) => pathsOf(`${path}.${it.name}`, it)),
  ];
}

function serviceOf(path, methods) {
  const lines = Object.entries(methods).map(([name, method]) => {
    const asked = `${method.requestStream ? 'requests' : 'request'}: ${method.requestType.type.name}`;
    const answer = `${method.responseStream ? 'stream' : 'response'}: ${method.responseType.type.name}`;
    const line = `  ${name}: { ${asked}; ${answer} };`;
    if (line.length <= 110) return line;
    return `  ${name}: {\n    ${asked};\n    ${answer};\n  };`;
  });
  return [`export interface ${typeName(path)}Service {`, ...lines, '}'];
}

function camel(name) {
  return name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
}

if (argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(typesOf(argv[2] ?? 'csi'));
