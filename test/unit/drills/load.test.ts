import { describe, expect, it } from 'vitest';
import { NvmeStatusError } from '../../../src/base/errors.js';
import { blockValue, fillBlock, mixedValue } from '../../../src/drills/block-value.js';
import { type LoadNamespace, runLoad, spreadBlocks } from '../../../src/drills/load.js';
import { checkHistory } from '../../../src/native/index.js';

const blockBytes = 512;
const filled = (block: number, value: bigint) => {
  const data = Buffer.alloc(blockBytes);
  fillBlock(data, block, value);
  return data;
};

describe('the content of a block', () => {
  it('says its value and whose it is', () => {
    expect(blockValue(filled(7, 34n), 7)).toBe(34n);
    expect(blockValue(Buffer.alloc(blockBytes), 7)).toBe(0n);
  });

  it.each([
    ['halves of two writes', Buffer.concat([filled(7, 1n).subarray(256), filled(7, 2n).subarray(256)])],
    ['half a write', Buffer.concat([filled(7, 1n).subarray(256), Buffer.alloc(256)])],
    ['the content of another block', filled(8, 1n)],
    ['one wrong byte', Object.assign(filled(7, 1n), { 511: 9 })],
    ['a number of no value', filled(8, 0n)],
  ])('is no value when it is %s', (_what, data) => {
    expect(blockValue(data, 7)).toBe(mixedValue);
  });
});

/** A namespace in memory whose I/O takes a moment. */
class Disk implements LoadNamespace {
  readonly blocks = new Map<bigint, Buffer>();
  onWrite: (lba: bigint, data: Buffer) => void = (lba, data) => void this.blocks.set(lba, Buffer.from(data));
  failing = false;

  async read(lba: bigint): Promise<Buffer> {
    await this.#moment();
    return Buffer.from(this.blocks.get(lba) ?? Buffer.alloc(blockBytes));
  }

  async write(lba: bigint, data: Buffer): Promise<void> {
    await this.#moment();
    this.onWrite(lba, data);
    await this.#moment();
  }

  async #moment(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const status = { statusCodeType: 3, statusCode: 2, name: 'no path', doNotRetry: false };
    if (this.failing) throw new NvmeStatusError('write', status);
  }
}

async function load(disk: Disk, ms = 100) {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), ms);
  const result = await runLoad({
    ...{ namespace: disk, blockSizeBytes: blockBytes, blocks: spreadBlocks(1000n, 4) },
    ...{ writers: 4, readers: 2, path: 'disk "a"', signal: stop.signal },
  });
  return { ...result, verdict: checkHistory(result.history.bytes()) };
}

describe('a load', () => {
  it('is a history of a linearizable register on a disk that is one', async () => {
    const { verdict, reads, writes, errors, longestGapMs } = await load(new Disk());
    expect(errors).toBe(0);
    expect(Math.min(reads, writes)).toBeGreaterThan(10);
    expect(verdict).toEqual({ operations: reads + writes, blocks: 4, blocksViolated: 0 });
    expect(longestGapMs).toBeGreaterThan(0);
  });

  it('finds a write that is lost', async () => {
    const disk = new Disk();
    let count = 0;
    disk.onWrite = (lba, data) => {
      count += 1;
      if (count % 50 !== 0) disk.blocks.set(lba, Buffer.from(data));
    };
    const { verdict } = await load(disk, 300);
    expect(verdict.violation).toMatchObject({
      kind: expect.any(String),
      witness: expect.stringContaining('"op"'),
    });
  });

  it('finds content of another block', async () => {
    const disk = new Disk();
    disk.onWrite = (_lba, data) => {
      for (const lba of spreadBlocks(1000n, 4)) disk.blocks.set(lba, Buffer.from(data));
    };
    const { verdict } = await load(disk);
    expect(verdict.violation).toMatchObject({ kind: 'value never written' });
  });

  it('goes on through errors, and tells how long nothing went well', async () => {
    const disk = new Disk();
    setTimeout(() => {
      disk.failing = true;
    }, 60);
    setTimeout(() => {
      disk.failing = false;
    }, 260);
    const { verdict, errors, errorTexts, longestGapMs, longestGapAtMs } = await load(disk, 400);
    expect(errors).toBeGreaterThan(0);
    expect(errorTexts[0]).toContain('no path');
    expect(longestGapMs).toBeGreaterThan(100);
    expect(longestGapAtMs).toBeGreaterThan(0);
    expect(verdict.violation).toBeUndefined();
  });

  it('says when it begins: when all is zeroed', async () => {
    const disk = new Disk();
    const stop = new AbortController();
    const blocks = spreadBlocks(1000n, 50);
    let zeroed = 0;
    const { reads } = await runLoad({
      ...{ namespace: disk, blockSizeBytes: blockBytes, blocks, writers: 0, readers: 1, path: '' },
      signal: stop.signal,
      onStart: () => {
        zeroed = disk.blocks.size;
        setTimeout(() => stop.abort(), 50);
      },
    });
    expect(zeroed).toBe(50);
    expect(reads).toBeGreaterThan(0);
  });

  it('begins with zeroes, whatever was there', async () => {
    const disk = new Disk();
    for (const lba of spreadBlocks(1000n, 4)) disk.blocks.set(lba, Buffer.alloc(blockBytes, 9));
    expect((await load(disk)).verdict.violation).toBeUndefined();
  });
});

it('uses blocks all over the namespace, or all of a small one', () => {
  expect(spreadBlocks(1000n, 4)).toEqual([0n, 250n, 500n, 750n]);
  expect(spreadBlocks(3n, 4)).toEqual([0n, 1n, 2n]);
});

describe('a history that is none', () => {
  it.each([
    ['text', 'hello\n'],
    ['a field too few', '{"op":"write","block":1}\n'],
    ['a value twice', '{"op":"write","block":1,"value":1,"start":1,"end":2,"outcome":"ok"}\n'.repeat(2)],
  ])('of %s is refused', (_what, text) => {
    expect(() => checkHistory(Buffer.from(text))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', argument: 'history' }),
    );
  });
});
