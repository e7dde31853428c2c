// Takes apart the one array of numbers that the addon fills for all of an engine's counters. The order is
// that of engine_stats() in native/addon/engine_calls.cc.
import type {
  EngineStats,
  QosNodeStats,
  QosStats,
  ReactorStats,
  TransportStats,
  VolumeInfo,
  VolumeStats,
} from './types.js';

class Reader {
  #position = 0;
  constructor(readonly words: BigUint64Array) {}
  big(): bigint {
    const word = this.words[this.#position];
    if (word === undefined) throw new RangeError('the counters of the addon are shorter than expected');
    this.#position += 1;
    return word;
  }
  number(): number {
    return Number(this.big());
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

function readVolume(reader: Reader, { name, nqn, nsid }: VolumeInfo): VolumeStats {
  return {
    name,
    nqn,
    nsid,
    reads: reader.big(),
    writes: reader.big(),
    readBytes: reader.big(),
    writeBytes: reader.big(),
    errors: reader.big(),
    qos: readQos(reader),
  };
}

export function readStats(words: BigUint64Array, volumes: readonly VolumeInfo[]): EngineStats {
  const reader = new Reader(words);
  const reactorsCount = reader.number();
  const controllers = reader.number();
  const logLinesDropped = reader.number();
  const transport = readTransport(reader);
  const qos = readNode(reader);
  const reactors = Array.from({ length: reactorsCount }, () => readReactor(reader));
  return {
    reactors,
    volumes: volumes.map((volume) => readVolume(reader, volume)),
    transport,
    qos,
    controllers,
    logLinesDropped,
  };
}
