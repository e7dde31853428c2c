// Limits and guarantees of a volume in the words that users say them in: REST, command line, configuration.
// Checked here; what the engine gets is made here, too.
import { InvalidArgumentError } from './errors.js';

/** Per second; throughput in MiB/s. 0 or absent: none. docs/operations/qos.md says what they mean. */
export interface QosWords {
  /** Of a class, whose values hold where there is none here. */
  readonly class?: string;
  readonly iops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly throughput?: number;
  readonly readThroughput?: number;
  readonly writeThroughput?: number;
  readonly burstSeconds?: number;
  /** Guaranteed. */
  readonly minIops?: number;
  readonly weight?: number;
}

export type QosWord = Exclude<keyof QosWords, 'class'>;

// As the engine's, 10^15 of I/Os or bytes; throughput in MiB.
const iopsMax = 1_000_000_000_000_000;
const throughputMax = Math.floor(iopsMax / (1 << 20));

/** The least and the most of each. All are whole but burstSeconds, which has three decimals. */
export const qosBounds: Readonly<Record<QosWord, readonly [least: number, most: number]>> = {
  iops: [0, iopsMax],
  readIops: [0, iopsMax],
  writeIops: [0, iopsMax],
  throughput: [0, throughputMax],
  readThroughput: [0, throughputMax],
  writeThroughput: [0, throughputMax],
  burstSeconds: [0, 3600],
  minIops: [0, iopsMax],
  weight: [0, 10_000],
};
export const weightDefault = 100;
export const qosWords = Object.keys(qosBounds) as readonly QosWord[];
export const qosClassPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** iops -> iops, minIops -> min-iops: as options and in volume specifications. */
export function kebab(word: QosWord): string {
  return word.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function checkQosNumber(word: QosWord, value: number, field = `qos.${word}`): number {
  const [least, most] = qosBounds[word];
  const fits =
    word === 'burstSeconds' ? Number.isInteger(Math.round(value * 1e6) / 1000) : Number.isInteger(value);
  if (!fits || value < least || value > most) {
    const kind = word === 'burstSeconds' ? 'a number of seconds, in milliseconds,' : 'a whole number';
    throw new InvalidArgumentError(field, `${kind} from ${least} to ${most}`);
  }
  return value;
}

export function parseQosNumber(word: QosWord, text: string, field = kebab(word)): number {
  const pattern = word === 'burstSeconds' ? /^\d{1,4}(?:\.\d{1,3})?$/ : /^\d{1,15}$|^10{15}$/;
  return checkQosNumber(word, pattern.test(text) ? Number(text) : Number.NaN, field);
}

/** Each by itself, and those that concern each other; `words` are what holds, class included. */
export function checkQos(words: QosWords): void {
  for (const word of qosWords) if (words[word] !== undefined) checkQosNumber(word, words[word]);
  const { iops = 0, readIops = 0, writeIops = 0, minIops = 0 } = words;
  const apart = readIops !== 0 && writeIops !== 0 ? readIops + writeIops : Number.POSITIVE_INFINITY;
  const most = Math.min(iops === 0 ? Number.POSITIVE_INFINITY : iops, apart);
  if (minIops > most) {
    throw new InvalidArgumentError('qos.minIops', `at most the limit, ${most}; ${minIops} are asked for`);
  }
}

/** As the engine takes them. */
export function engineLimits(words: QosWords) {
  const bytes = (mib = 0) => mib * (1 << 20);
  return {
    iops: words.iops ?? 0,
    readIops: words.readIops ?? 0,
    writeIops: words.writeIops ?? 0,
    bytesPerSecond: bytes(words.throughput),
    readBytesPerSecond: bytes(words.readThroughput),
    writeBytesPerSecond: bytes(words.writeThroughput),
    burstMs: Math.round((words.burstSeconds ?? 0) * 1000),
    minIops: words.minIops ?? 0,
    weight: words.weight || weightDefault,
  };
}
