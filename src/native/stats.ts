// Takes apart the one array of numbers that the addon fills for all of an engine's counters. The order is
// that of engine_stats() in native/addon/engine_calls.cc.
import {
  type IoKind,
  ioKinds,
  type LatencyHistogram,
  latencyBoundsUs,
  type StatusType,
  statusTypes,
} from '../base/io-latency.js';
import type {
  EngineStats,
  NodeStats,
  QosNodeStats,
  QosStats,
  ReactorStats,
  StatsByVolume,
  StatsOptions,
  TransportStats,
  VolumeInfo,
  VolumeStats,
} from './types.js';

const tooShort = 'the counters of the addon are shorter than expected';

class Reader {
  #position: number;
  readonly #halves: Uint32Array;
  constructor(
    readonly words: BigUint64Array,
    position = 0,
  ) {
    this.#position = position;
    this.#halves = new Uint32Array(words.buffer, words.byteOffset, 2 * words.length);
  }
  get position(): number {
    return this.#position;
  }
  big(): bigint {
    const word = this.words[this.#position];
    if (word === undefined) throw new RangeError(tooShort);
    this.#position += 1;
    return word;
  }
  /** Without a bigint between: with ten thousand volumes there are a million words. */
  number(): number {
    const at = 2 * this.#position;
    const low = this.#halves[at];
    const high = this.#halves[at + 1];
    if (low === undefined || high === undefined) throw new RangeError(tooShort);
    this.#position += 1;
    return high * 2 ** 32 + low;
  }
}

const fesCount = 7;

function readTransport(reader: Reader): TransportStats {
  return {
    connections: reader.number(),
    connectionsTotal: reader.big(),
    bytesReceived: reader.big(),
    bytesSent: reader.big(),
    receives: reader.big(),
    sends: reader.big(),
    flushes: reader.big(),
    dataDigestErrors: reader.big(),
    pduErrors: Array.from({ length: fesCount }, () => reader.big()),
  };
}

function readNode(reader: Reader): QosNodeStats {
  return {
    inFlightUnits: reader.number(),
    waitingVolumes: reader.number(),
    guaranteedIops: reader.number(),
    rateWaits: reader.big(),
    depthWaits: reader.big(),
  };
}

function readQos(reader: Reader): QosStats {
  return {
    throttledIos: reader.big(),
    throttledNs: reader.big(),
    waitingIos: reader.number(),
    guaranteeSeconds: reader.number(),
    guaranteeKeptSeconds: reader.number(),
  };
}

function readReactor(reader: Reader): ReactorStats {
  return {
    turns: reader.number(),
    sleeps: reader.number(),
    messages: reader.number(),
    busyNs: reader.big(),
    connections: reader.number(),
  };
}

function readHistogram(reader: Reader): LatencyHistogram {
  const counts = new Array<number>(latencyBoundsUs.length + 1);
  for (let bucket = 0; bucket < counts.length; bucket += 1) counts[bucket] = reader.number();
  return { counts, sumSeconds: reader.number() / 1e9 };
}

function readEach<K extends string, V>(keys: readonly K[], read: () => V): Record<K, V> {
  return Object.fromEntries(keys.map((key) => [key, read()])) as Record<K, V>;
}

function readVolume(
  reader: Reader,
  { name, nqn, nsid }: VolumeInfo,
  { latency = false }: StatsOptions,
): VolumeStats {
  return {
    name,
    nqn,
    nsid,
    reads: reader.big(),
    writes: reader.big(),
    readBytes: reader.big(),
    writeBytes: reader.big(),
    errors: reader.big(),
    inFlight: reader.number(),
    errorTypes: readEach<StatusType, bigint>(statusTypes, () => reader.big()),
    qos: readQos(reader),
    ...(latency && { latency: readEach<IoKind, LatencyHistogram>(ioKinds, () => readHistogram(reader)) }),
  };
}

function readWholeNode(reader: Reader): NodeStats {
  const reactorsCount = reader.number();
  const controllers = reader.number();
  const keepAliveTimeouts = reader.number();
  const logLinesDropped = reader.number();
  const transport = readTransport(reader);
  const qos = readNode(reader);
  const reactors = Array.from({ length: reactorsCount }, () => readReactor(reader));
  return { reactors, transport, qos, controllers, keepAliveTimeouts, logLinesDropped };
}

export function readStats(
  words: BigUint64Array,
  volumes: readonly VolumeInfo[],
  options: StatsOptions = {},
): EngineStats {
  const reader = new Reader(words);
  const node = readWholeNode(reader);
  return { ...node, volumes: volumes.map((volume) => readVolume(reader, volume, options)) };
}

/** As readStats(), for many volumes: their million numbers become objects one volume at a time. */
export function readStatsByVolume(
  words: BigUint64Array,
  volumes: readonly VolumeInfo[],
  options: StatsOptions = {},
): StatsByVolume {
  const reader = new Reader(words);
  const node = readWholeNode(reader);
  const first = reader.position;
  const wordsOfOne = (words.length - first) / volumes.length;
  let indexes: ReadonlyMap<string, number> | undefined;
  return {
    ...node,
    volume: (name) => {
      indexes ??= new Map(volumes.map(({ name: each }, index) => [each, index]));
      const index = indexes.get(name);
      const info = index === undefined ? undefined : volumes[index];
      if (index === undefined || info === undefined) return undefined;
      return readVolume(new Reader(words, first + index * wordsOfOne), info, options);
    },
  };
}
