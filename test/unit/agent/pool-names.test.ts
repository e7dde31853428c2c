import { describe, expect, it } from 'vitest';
import { PoolNames } from '../../../src/agent/pool-names.js';
import type { PoolVolumeInfo } from '../../../src/native/pool-types.js';

/** Answers when it is told to, with what was there when it was asked. */
class Pool {
  readonly names: string[] = [];
  readonly asked: (() => void)[] = [];
  poolVolumes(): Promise<readonly PoolVolumeInfo[]> {
    const found = this.names.map((name) => ({ name }) as PoolVolumeInfo);
    return new Promise((resolve, reject) => {
      this.asked.push(() => (this.names.includes('broken') ? reject(new Error('broken')) : resolve(found)));
    });
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the names of a pool', () => {
  it('are read once for all that ask meanwhile, and after each has asked', async () => {
    const pool = new Pool();
    const names = new PoolNames(pool);
    const first = names.of('p');
    pool.names.push('made since');
    const others = [names.of('p'), names.of('p'), names.of('p')];
    expect(pool.asked).toHaveLength(1);
    pool.asked[0]?.();
    expect([...(await first)]).toEqual([]);
    await turn();
    expect(pool.asked).toHaveLength(2);
    pool.asked[1]?.();
    for (const one of others) expect([...(await one)]).toEqual(['made since']);
    const last = names.of('p');
    expect(pool.asked).toHaveLength(3);
    pool.asked[2]?.();
    await last;
  });

  it('are asked for again after a failure, by who waited too', async () => {
    const pool = new Pool();
    const names = new PoolNames(pool);
    pool.names.push('broken');
    const first = names.of('p');
    const second = names.of('p');
    pool.asked[0]?.();
    await expect(first).rejects.toThrow('broken');
    pool.names.pop();
    await turn();
    pool.asked[1]?.();
    expect([...(await second)]).toEqual(['broken']);
  });
});
