// Reads a record of the cluster without trust: who wrote it may have been another version, or a hand. A
// record with a field missing, one more or one that is not what it should be is refused as a whole, by name;
// nothing is guessed from the rest. A newer version is refused by its number, so a node that is not upgraded
// yet stops deciding instead of deciding wrongly.
import { ClusterRecordError } from '../../base/cluster-errors.js';
import { type Fields, isFields, parseFields } from '../../base/json-fields.js';
import { uuidPattern } from '../../base/volume-spec.js';

const u64Max = (1n << 64n) - 1n;
const decimal = /^(?:0|[1-9]\d{0,19})$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export class RecordReader {
  readonly #read = new Set<string>();

  private constructor(
    readonly key: string,
    readonly fields: Fields,
    /** Of what is within the record, for messages: `pools[2].`; empty at its top. */
    readonly path: string,
  ) {}

  /** Of the bytes of a value; `key` is for messages. */
  static of(key: string, value: Uint8Array, version: number): RecordReader {
    const fields = parseFields(value);
    if (fields === undefined) throw new ClusterRecordError(key, 'is not JSON');
    if (fields.version !== version) {
      const found = JSON.stringify(fields.version) ?? 'none';
      throw new ClusterRecordError(
        key,
        `is of version ${found.slice(0, 20)}, and this program knows ${version}`,
      );
    }
    const reader = new RecordReader(key, fields, '');
    reader.#read.add('version');
    return reader;
  }

  fail(reason: string): never {
    throw new ClusterRecordError(this.key, reason);
  }

  has(name: string): boolean {
    return this.fields[name] !== undefined;
  }

  text(name: string, pattern: RegExp): string {
    const value = this.#take(name);
    if (typeof value !== 'string' || !pattern.test(value)) this.#refuse(name);
    return value;
  }

  /** For a person to read. */
  words(name: string, charactersMax: number): string {
    const value = this.#take(name);
    if (typeof value !== 'string' || value.length > charactersMax) this.#refuse(name);
    return value;
  }

  oneOf<T extends string>(name: string, known: readonly T[]): T {
    const value = this.#take(name);
    return known.find((one) => one === value) ?? this.#refuse(name);
  }

  uuid(name: string): string {
    return this.text(name, uuidPattern);
  }

  /** ISO 8601, UTC, with milliseconds. */
  time(name: string): string {
    const value = this.text(name, instant);
    return Number.isNaN(Date.parse(value)) ? this.#refuse(name) : value;
  }

  boolean(name: string): boolean {
    const value = this.#take(name);
    return typeof value === 'boolean' ? value : this.#refuse(name);
  }

  whole(name: string, least: number, most: number): number {
    const value = this.#take(name);
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) this.#refuse(name);
    return value as number;
  }

  number(name: string): number {
    const value = this.#take(name);
    return typeof value === 'number' && Number.isFinite(value) ? value : this.#refuse(name);
  }

  /** 64 bits, as decimal text. */
  big(name: string, least = 0n): bigint {
    const value = BigInt(this.text(name, decimal));
    return value < least || value > u64Max ? this.#refuse(name) : value;
  }

  record(name: string): RecordReader {
    return this.#within(name, this.#take(name), `${this.path}${name}.`);
  }

  list<T>(name: string, countMax: number, read: (element: RecordReader) => T): readonly T[] {
    const value = this.#take(name);
    if (!Array.isArray(value) || value.length > countMax) this.#refuse(name);
    return value.map((element, index) => {
      const reader = this.#within(name, element, `${this.path}${name}[${index}].`);
      const result = read(reader);
      reader.end();
      return result;
    });
  }

  /** A record of texts under names of the writer's. */
  map(name: string, countMax: number, keys: RegExp, values: RegExp): Readonly<Record<string, string>> {
    const value = this.#take(name);
    if (!isFields(value)) return this.#refuse(name);
    const entries = Object.entries(value);
    const fits =
      entries.length <= countMax &&
      entries.every(([key, one]) => keys.test(key) && typeof one === 'string' && values.test(one));
    return fits ? (Object.fromEntries(entries) as Record<string, string>) : this.#refuse(name);
  }

  texts(name: string, countMax: number, pattern: RegExp): readonly string[] {
    const value = this.#take(name);
    const fits =
      Array.isArray(value) &&
      value.length <= countMax &&
      value.every((one) => typeof one === 'string' && pattern.test(one));
    return fits ? (value as readonly string[]) : this.#refuse(name);
  }

  /** Nothing else is in it. Call it last. */
  end(): void {
    const foreign = Object.keys(this.fields).find((name) => !this.#read.has(name));
    if (foreign !== undefined) {
      this.fail(`has a field that is not known, '${this.path}${JSON.stringify(foreign).slice(1, 60)}'`);
    }
  }

  #take(name: string): unknown {
    this.#read.add(name);
    return this.fields[name];
  }

  #within(name: string, value: unknown, path: string): RecordReader {
    if (!isFields(value)) this.#refuse(name);
    return new RecordReader(this.key, value, path);
  }

  #refuse(name: string): never {
    return this.fail(
      this.fields[name] === undefined
        ? `has no ${this.path}${name}`
        : `has a ${this.path}${name} that is none`,
    );
  }
}

/** Bytes of a record; what is undefined is left out, and 64 bits become decimal text. */
export function encodeRecord(version: number, fields: object): Uint8Array {
  return Buffer.from(
    JSON.stringify({ version, ...fields }, (_name, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    ),
  );
}
