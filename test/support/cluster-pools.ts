// What a node of a cluster has on its disk of a replica, read when its agent has ended.
import { randomUUID } from 'node:crypto';
import type { Engine } from '../../src/native/index.js';

const blocksAtOnce = 128;

/**
 * By name, its snapshots; '' is what the replica is now. `blocks`: so many of the first of each. The pool is
 * changed: all of it is read by clones.
 */
export async function snapshotsIn(
  engine: Engine,
  disk: string,
  replica: string,
  blocks: number,
): Promise<ReadonlyMap<string, Buffer>> {
  const { name: pool } = await engine.openPool([disk]);
  const { port } = await engine.listen({ host: '127.0.0.1', port: 0 });
  const volume = `replica.${replica}`;
  const now = `now-${randomUUID()}`;
  await engine.createPoolSnapshots(pool, [{ volume, name: now, uuid: randomUUID() }]);
  const found = new Map<string, Buffer>();
  for (const { name: snapshot } of await engine.poolSnapshots(pool, volume)) {
    const uuid = randomUUID();
    await engine.clonePoolVolume(pool, { volume, snapshot }, { name: uuid, uuid });
    const nqn = `nqn.2026-11.dev.ballast:volume:${uuid}`;
    await engine.addVolume({ name: uuid, kind: 'pool', pool, nqn, uuid });
    const host = await engine.connect({ host: '127.0.0.1', port, nqn });
    const parts: Buffer[] = [];
    for (let block = 0; block < blocks; block += blocksAtOnce) {
      parts.push((await host.namespaces[0]?.read(BigInt(block), blocksAtOnce)) ?? Buffer.alloc(0));
    }
    found.set(snapshot === now ? '' : snapshot, Buffer.concat(parts));
    await host.close();
    await engine.removeVolume(uuid);
  }
  await engine.closePool(pool);
  return found;
}
