import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../bench/lib/arguments.mjs';
import { limitKey, limitsOf, messageSizes } from '../../../bench/lib/limit.mjs';
import { chooseJobs, jobKey, jobTitle, setNames } from '../../../bench/lib/matrix.mjs';
import { plainJob } from './documents.js';

const keysOf = (choice: Parameters<typeof chooseJobs>[0]) => chooseJobs(choice).jobs.map(jobKey);
const k = 1024;

describe('the sets', () => {
  it('hold each job once', () => {
    for (const setName of setNames) {
      const keys = keysOf({ setName });
      expect(keys.length, setName).toBeGreaterThan(0);
      expect(new Set(keys).size, setName).toBe(keys.length);
    }
  });

  it('are `standard` when nothing is said, with the jobs that people compare', () => {
    const chosen = chooseJobs({});
    expect(chosen).toMatchObject({ name: 'standard', seconds: 3, footprint: false });
    const keys = chosen.jobs.map(jobKey);
    for (const rw of ['randread', 'randwrite', 'randrw:70'])
      for (const qd of [1, 8, 32, 128]) expect(keys).toContain(`memory ${rw} 4096 qd${qd} c1 r1 none`);
    for (const rw of ['read', 'write']) {
      expect(keys).toContain(`memory ${rw} ${128 * k} qd32 c1 r1 none`);
      expect(keys).toContain(`memory ${rw} ${128 * k} qd32 c1 r1 both`);
    }
    for (const rw of ['randread', 'randwrite']) {
      expect(keys).toContain(`null ${rw} 4096 qd32 c1 r1 none`);
      expect(keys).toContain(`memory ${rw} 4096 qd32 c1 r1 both`);
      for (const qd of [1, 32]) expect(keys).toContain(`file ${rw} 4096 qd${qd} c1 r1 none`);
    }
    expect(keys).toHaveLength(24);
  });

  it('in `full` cover every axis on every device', () => {
    const full = keysOf({ setName: 'full' });
    for (const key of [
      ...keysOf({}),
      ...keysOf({ setName: 'digests' }),
      ...keysOf({ setName: 'connections' }),
    ])
      expect(full).toContain(key);
    for (const device of ['memory', 'null', 'file'])
      for (const digests of ['none', 'both'])
        expect(full).toContain(`${device} randrw:70 4096 qd128 c1 r1 ${digests}`);
    for (const reactors of [1, 2]) expect(full).toContain(`memory randread 4096 qd128 c8 r${reactors} none`);
    expect(chooseJobs({ setName: 'full' }).footprint).toBe(true);
  });

  it('in `connections` spread the same depth over 1 to 1,000', () => {
    const { jobs } = chooseJobs({ setName: 'connections' });
    expect(new Set(jobs.map(({ connections }) => connections))).toEqual(new Set([1, 10, 100, 1000]));
    expect(new Set(jobs.map(({ queueDepth }) => queueDepth))).toEqual(new Set([1000]));
  });
});

describe('axes that the user names', () => {
  it('are multiplied when there is no set', () => {
    expect(keysOf({ axes: { device: ['memory', 'file'], queueDepth: [4] } })).toEqual([
      'memory randread 4096 qd4 c1 r1 none',
      'memory randwrite 4096 qd4 c1 r1 none',
      'file randread 4096 qd4 c1 r1 none',
      'file randwrite 4096 qd4 c1 r1 none',
    ]);
  });

  it('take the place of those of a set, and what becomes the same is done once', () => {
    const keys = keysOf({ setName: 'quick', axes: { queueDepth: [4], device: ['null'] } });
    expect(keys).toEqual(['null randread 4096 qd4 c1 r1 none', 'null randwrite 4096 qd4 c1 r1 none']);
  });

  it('give the mix to the jobs that have one', () => {
    expect(keysOf({ axes: { rw: ['randrw'], queueDepth: [1] }, rwMix: 30 })).toEqual([
      'memory randrw:30 4096 qd1 c1 r1 none',
    ]);
  });

  it('are refused where the depth cannot be shared evenly, or is too much for a queue', () => {
    expect(() => chooseJobs({ axes: { queueDepth: [32], connections: [10] } })).toThrow(UsageError);
    expect(() => chooseJobs({ axes: { queueDepth: [1], connections: [2] } })).toThrow(
      '--qd 1 cannot be shared evenly by 2 connections',
    );
    expect(() => chooseJobs({ axes: { queueDepth: [1001] } })).toThrow('at most 1000 on each connection');
  });
});

describe('jobTitle', () => {
  it('names what is out of the ordinary only', () => {
    expect(jobTitle(plainJob)).toBe('memory randread 4k');
    const special = { ...plainJob, rw: 'randrw', rwMix: 70, digests: 'both', connections: 8, reactors: 2 };
    expect(jobTitle(special)).toBe('memory randrw 70/30 4k, digests, 8 conn, 2 reactors');
    expect(jobTitle({ ...plainJob, blockBytes: 512 })).toBe('memory randread 512');
  });
});

describe('messageSizes', () => {
  const job = { rw: 'randread', blockBytes: 4096, queueDepth: 8, digests: 'none', device: 'memory' };

  it('are those of a command and its data in NVMe/TCP', () => {
    expect(messageSizes(job)).toEqual({ requests: [72], responses: [24 + 4096] });
    expect(messageSizes({ ...job, rw: 'write' })).toEqual({ requests: [72 + 4096], responses: [24] });
  });

  it('grow by four bytes for each digest of each PDU', () => {
    const read = (digests: string) => messageSizes({ ...job, digests });
    expect(read('header')).toEqual({ requests: [76], responses: [28 + 4096] });
    expect(read('data')).toEqual({ requests: [72], responses: [24 + 4100] });
    expect(read('both')).toEqual({ requests: [76], responses: [28 + 4100] });
  });

  it('of a mix are a cycle with that share of reads', () => {
    for (const rwMix of [0, 30, 70, 100]) {
      const { requests, responses } = messageSizes({ ...job, rw: 'randrw', rwMix });
      expect(requests).toHaveLength(10);
      expect(requests.filter((bytes) => bytes === 72)).toHaveLength(rwMix / 10);
      for (const [i, bytes] of requests.entries()) expect(responses[i]).toBe(bytes === 72 ? 24 + 4096 : 24);
    }
  });

  it('decide what shares a limit: not the device, but the depth', () => {
    expect(limitKey({ ...job, device: 'file', rw: 'read' })).toBe(limitKey(job));
    expect(limitKey({ ...job, queueDepth: 9 })).not.toBe(limitKey(job));
    expect(limitKey({ ...job, queueDepth: 1000 })).toBe(limitKey({ ...job, queueDepth: 128 }));
    expect(limitKey({ ...job, connections: 10 })).not.toBe(limitKey(job));
  });

  it('have a second limit where a memory device is read: that of reaching so much memory', () => {
    const memories = (some: Partial<typeof job>) =>
      [...limitsOf([{ ...job, ...some }]).values()].map(({ memoryMib }) => memoryMib);
    expect(memories({ device: 'memory', rw: 'randread' })).toEqual([0, 512]);
    expect(memories({ device: 'memory', rw: 'randwrite' })).toEqual([0]);
    expect(memories({ device: 'null', rw: 'randread' })).toEqual([0]);
  });
});
