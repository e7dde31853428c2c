// The host of a drill: our own initiator, the judge, and a look at what members hold.
import { createHash } from 'node:crypto';
import { NamespaceNotFoundError, VolumeOpenError } from '../../base/errors.js';
import type { HostIdentity } from '../../base/identity.js';
import { volumeNqn } from '../../base/nqn.js';
import type { DrillHost } from '../../drills/host.js';
import type { CliContext, ControllerPort, EnginePort, NamespacePort } from '../engine-port.js';
import { describeTarget } from '../target.js';

const digestOfBytes = 1 << 20;
/** As hosts have it that want to notice a silent node soon; nvme-cli would say --keep-alive-tmo=2. */
const keepAliveMs = 2_000;
const reconnectDelayMs = 200;

export function drillHost(
  engine: EnginePort,
  identity: HostIdentity,
  checkHistory: CliContext['checkHistory'],
): DrillHost {
  return {
    connect: async (nqn, addresses) => {
      const [first, ...others] = addresses;
      if (first === undefined) throw new NamespaceNotFoundError(nqn, 1);
      const controller = await engine.connect({
        ...identity,
        ...first,
        ...{ nqn, otherAddresses: others, keepAliveMs, reconnectDelayMs },
      });
      const namespace = firstOf(controller);
      const { blockSizeBytes, blocksCount } = namespace.info;
      const path = describeTarget({ ...first, nqn, others });
      return { namespace, blockSizeBytes, blocksCount, path, close: () => controller.close() };
    },
    judge: checkHistory,
    digests: async (device, pool, volume) => {
      await engine.openPool([device]);
      try {
        return await digestsOf(engine, pool, volume);
      } finally {
        await engine.closePool(pool);
      }
    },
  };
}

function firstOf(controller: ControllerPort): NamespacePort {
  const [first] = controller.namespaces;
  if (first === undefined) throw new NamespaceNotFoundError(controller.info.subsystemNqn, 1);
  return first;
}

/** Served on loopback for the moment, to be read as any host would. */
async function digestsOf(engine: EnginePort, pool: string, volume: string): Promise<readonly string[]> {
  const found = (await engine.poolVolumes(pool)).find(({ name }) => name === volume);
  if (found === undefined) throw new VolumeOpenError(volume, `is not in pool '${pool}'`);
  const { uuid } = found;
  const nqn = volumeNqn(uuid);
  await engine.addVolume({ name: volume, kind: 'pool', pool, nqn, uuid, readOnly: true });
  const address = await engine.listen({ host: '127.0.0.1', port: 0 });
  const controller = await engine.connect({ ...address, nqn });
  try {
    return await digestsOfAll(firstOf(controller));
  } finally {
    await controller.close();
    await engine.removeVolume(volume);
  }
}

async function digestsOfAll(namespace: NamespacePort): Promise<readonly string[]> {
  const { blockSizeBytes, blocksCount } = namespace.info;
  const step = BigInt(digestOfBytes / blockSizeBytes);
  const digests: string[] = [];
  for (let lba = 0n; lba < blocksCount; lba += step) {
    const count = blocksCount - lba < step ? blocksCount - lba : step;
    const data = await namespace.read(lba, Number(count));
    digests.push(createHash('sha256').update(data).digest('hex'));
  }
  return digests;
}
