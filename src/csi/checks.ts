// What every request is held to before its handler: sizes of fields, which no type expresses; and what
// handlers ask of single fields. A refusal names the field, never its value.
import { RpcError } from '../rpc/status.js';

const stringBytesMax = 128;
const mapBytesMax = 4096;
/** Of CSI 1.12, where it says another size than for all strings; paths are as long as the system takes. */
const bytesMaxOf: Readonly<Record<string, number>> = {
  nodeId: 256,
  volumePath: 4096,
  stagingTargetPath: 4096,
  targetPath: 4096,
};
const mountFlagsBytesMax = 4096; // all of them together
/** U+0000-U+0008, U+000B, U+000C, U+000E-U+001F, U+007F-U+009F. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const banned = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

export function checkSizes(request: unknown, mapFields: ReadonlySet<string>): void {
  for (const [field, value] of Object.entries(request as object)) checkField(field, value, mapFields);
}

function checkField(field: string, value: unknown, mapFields: ReadonlySet<string>): void {
  if (typeof value === 'string') {
    checkBytes(field, Buffer.byteLength(value), bytesMaxOf[field] ?? stringBytesMax);
  } else if (Array.isArray(value)) {
    if (field === 'mountFlags') checkBytes(field, Buffer.byteLength(value.join('')), mountFlagsBytesMax);
    else for (const element of value) checkField(field, element, mapFields);
  } else if (typeof value === 'object' && value !== null) {
    if (mapFields.has(field)) checkBytes(field, mapBytes(value), mapBytesMax);
    else checkSizes(value, mapFields);
  }
}

function mapBytes(map: object): number {
  return Object.entries(map).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(String(value)),
    0,
  );
}

function checkBytes(field: string, bytes: number, max: number): void {
  if (bytes > max) throw invalid(field, `at most ${max} bytes; it has ${bytes}`);
}

export function invalid(field: string, expected: string): RpcError {
  return new RpcError('INVALID_ARGUMENT', `${inProto(field)}: expected ${expected}`);
}

/** What is there: not '', not null, not []. */
export function required<T extends string | object>(field: string, value: T | null | undefined): T {
  const absent = value === null || value === undefined || value === '';
  if (absent || (Array.isArray(value) && value.length === 0)) throw invalid(field, 'a value; it is missing');
  return value;
}

/** A name that somebody else chose: any text but control characters. */
export function requiredName(field: string, name: string): string {
  if (banned.test(required(field, name))) throw invalid(field, 'no control characters');
  return name;
}

/** volumeId is volume_id in the words of the interface. */
function inProto(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
