import { describe, expect, it } from 'vitest';
import { splitCpus } from '../../../bench/lib/ballast.mjs';
import { checkTemplate, fillTemplate, givenClient, parseOutput } from '../../../bench/lib/clients.mjs';
import { chooseJobs } from '../../../bench/lib/matrix.mjs';
import { estimateSeconds } from '../../../bench/lib/measure.mjs';
import { readOptions } from '../../../bench/lib/options.mjs';
import { parsePeerUri } from '../../../bench/lib/peers.mjs';
import { plainJob } from './documents.js';

const nqn = 'nqn.2026-11.dev.example:a';
const uri = `tcp://127.0.0.1:4421/${nqn}`;
const template = 'perf -r {addr}:{port}/{nqn} -w {rw} -q {qd} -o {bs} -t {seconds}';

describe('readOptions', () => {
  it.each([
    [['--devices', 'memory,tape'], "--devices: 'tape' is none of memory, null, file"],
    [['--rw', 'trim'], "--rw: 'trim' is none of randread, randwrite, randrw, read, write"],
    [['--set', 'huge'], "--set: 'huge' is none of quick, standard, digests, connections, full"],
    [['--digests', 'crc'], "--digests: 'crc' is none of none, header, data, both"],
    [['--runs', '0'], "--runs takes a whole number from 1 to 1000, not '0'"],
    [['--runs', '1.5'], "--runs takes a whole number from 1 to 1000, not '1.5'"],
    [['--seconds', '0'], "--seconds takes a number above 0, not '0'"],
    [['--seconds', '1e3'], "--seconds takes a number above 0, not '1e3'"],
    [['--qd', '1,,2'], "--qd takes a whole number from 1 to 1000000, not ''"],
    [['--bs', '4095'], "--bs takes multiples of 512 up to 16M, such as 4k, not '4095'"],
    [['--connections', '5000'], "--connections takes a whole number from 1 to 4000, not '5000'"],
    [['--rwmix', '101'], "--rwmix takes a whole number from 0 to 100, not '101'"],
    [['--spin-us', 'often'], "--spin-us takes a whole number from 0 to 1000000, not 'often'"],
    [['--peer', 'x'], '--peer needs --peer-uri: where it is reached'],
    [['--peer-uri', uri], '--peer-uri needs --peer: the peer has to be paused while others are measured'],
    [['--peer', 'x', '--peer-uri', uri, '--peer-uri', `memory=${uri}`], '--peer-uri: memory is given twice'],
    [['--client', 'perf'], '--client: the command has no {addr}'],
    [['--client-only'], '--client-only needs --client'],
    [['--nonsense'], "Unknown option '--nonsense' (see --help)"],
    [['stray'], "Unexpected argument 'stray' (see --help)"],
  ])('refuses %j in one line', (words, message) => {
    let text = 'accepted';
    try {
      readOptions(words);
    } catch (error) {
      text = (error as Error).message;
    }
    expect(text.replace('. This command does not take positional arguments', '')).toBe(message);
    expect(text).not.toContain('\n');
  });

  it('has defaults, and the set its own seconds', () => {
    expect(readOptions([])).toMatchObject({ name: 'standard', seconds: 3, runs: 3, limit: true });
    expect(readOptions(['--set', 'quick'])).toMatchObject({ seconds: 1 });
    expect(readOptions(['--set', 'quick', '--seconds', '2.5'])).toMatchObject({ seconds: 2.5 });
  });

  it('takes lists, sizes with units, and says each job once', () => {
    const { jobs } = readOptions(['--rw', 'read,read', '--bs', '4k,4096,1M', '--qd', '2']) as {
      jobs: { blockBytes: number }[];
    };
    expect(jobs.map(({ blockBytes }) => blockBytes)).toEqual([4096, 1 << 20]);
  });

  it('takes a peer with a device of its own', () => {
    const options = readOptions(['--peer', 'x', '--peer-uri', uri, '--peer-uri', `null=${uri}b`]);
    expect(options).toMatchObject({
      peer: { command: 'x', uris: [{ device: 'memory' }, { device: 'null', nqn: `${nqn}b` }] },
    });
  });
});

describe('parsePeerUri', () => {
  it('takes names, IPv4 and bracketed IPv6 addresses', () => {
    expect(parsePeerUri(uri)).toEqual({ device: 'memory', uri, host: '127.0.0.1', port: 4421, nqn });
    expect(parsePeerUri(`tcp://[::1]:4420/${nqn}`)).toMatchObject({ host: '::1', port: 4420 });
  });

  it.each(['tcp://127.0.0.1/nqn.x', 'http://a:1/nqn.x', 'tcp://a:1', 'tape=tcp://a:1/nqn.x', ''])(
    'refuses %j',
    (text) => {
      expect(() => parsePeerUri(text)).toThrow('--peer-uri');
    },
  );
});

describe('a given client', () => {
  const job = plainJob;

  it('is filled with the job, in whole seconds', () => {
    expect(fillTemplate(template, uri, { ...job, queueDepth: 8 }, 1.5)).toBe(
      `perf -r 127.0.0.1:4421/${nqn} -w randread -q 8 -o 4096 -t 2`,
    );
    const special = { ...job, rw: 'randrw', rwMix: 30, connections: 4, digests: 'both' };
    expect(fillTemplate('{rwmix} {connections} {digests}', uri, special, 1)).toBe('30 4 -H -I');
  });

  it('is refused with a place that is not known, or without one that makes a job', () => {
    expect(() => checkTemplate(`${template} {depth}`)).toThrow('--client: {depth} is none of');
    expect(() => checkTemplate(template.replace('{bs}', '4096'))).toThrow('the command has no {bs}');
    expect(() => checkTemplate(template)).not.toThrow();
  });

  it('says which jobs its command cannot express', () => {
    const client = givenClient(`taskset -c 1 /opt/x/spdk_nvme_${template}`);
    expect(client.name).toBe('spdk_nvme_perf');
    expect(client.lacks(job)).toBeUndefined();
    expect(client.lacks({ ...job, connections: 2 })).toBe('{connections}');
    expect(client.lacks({ ...job, digests: 'data' })).toBe('{digests}');
    expect(givenClient(`${template} {digests}`).lacks({ ...job, digests: 'data' })).toBeUndefined();
  });

  it('may print the JSON of ballast perf; anything else is refused with its last line', () => {
    const latencyUs = { mean: 2, p50: 2, p99: 3, p999: 4, max: 5 };
    const parse = (stdout: string, stderr = '') => parseOutput({ stdout, output: stdout + stderr });
    expect(parse(JSON.stringify({ iops: 7, mibPerSecond: 1, latencyUs }), 'a word')).toMatchObject({
      iops: 7,
    });
    expect(() => parse('Usage: perf\n', 'no such option\n')).toThrow(/ends: no such option$/);
    expect(() => parse(JSON.stringify({ iops: 0, latencyUs }))).toThrow('no figures');
  });
});

describe('splitCpus', () => {
  it('gives the client as many CPUs as the target, behind its', () => {
    expect(splitCpus([0, 1, 2, 3], 1)).toEqual({ target: [0], client: [1], shared: false });
    expect(splitCpus([4, 5, 6, 7], 2)).toEqual({ target: [4, 5], client: [6, 7], shared: false });
    expect(splitCpus([0, 1, 2], 2)).toEqual({ target: [0, 1], client: [2], shared: false });
  });

  it('says where they have to share, and pins nothing where there is one', () => {
    expect(splitCpus([0, 1], 2)).toEqual({ target: [0, 1], client: [1], shared: true });
    expect(splitCpus([0, 1], 3)).toEqual({ target: undefined, client: [1], shared: true });
    expect(splitCpus([0])).toEqual({ target: undefined, client: undefined, shared: true });
  });
});

describe('estimateSeconds', () => {
  it('keeps the standard set within eight minutes, and counts a peer where it has the device', () => {
    const plan = { ...chooseJobs({}), runs: 3, seconds: 3, limit: true, clients: 1 };
    const alone = estimateSeconds({ ...plan, peer: undefined });
    expect(alone).toBeLessThan(8 * 60);
    const beside = estimateSeconds({ ...plan, peer: { uris: [{ device: 'file' }] } });
    expect(beside - alone).toBeCloseTo(3 * 4 * 3.7); // runs, jobs on file, seconds of each
  });
});
