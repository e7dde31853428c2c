import { Readable } from 'node:stream';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { ConnectionLostError, ConnectRefusedError, UnreachableError } from '../../../src/base/errors.js';
import { pieces } from '../../../src/cli/write.js';
import { CliHarness } from '../../support/cli-harness.js';

const target = 'tcp://127.0.0.1:4420';
const nqn = 'nqn.2026-11.dev.ballast:volume:a';
const volume = `${target}/${nqn}`;
let cli: CliHarness;
beforeEach(() => {
  cli = new CliHarness();
});

function expectAllClosed(): void {
  expect(cli.engine.closed).toBe(cli.enginesStarted);
  expect(cli.engine.controllersOpen).toBe(0);
}

describe('connecting', () => {
  it.each([
    [new UnreachableError(target, 'connection refused'), 3],
    [new ConnectionLostError('Read'), 3],
    [new ConnectRefusedError(target, 'Connect Invalid Host'), 1],
  ])('exits with the code of %s and closes the engine', async (error, code) => {
    cli.engine.failConnect = error;
    expect(await cli.run('identify', volume)).toBe(code);
    expect(cli.stderr.text).toBe(`ballast: ${error.message}\n`);
    expectAllClosed();
  });

  it('passes on who we are, digests and the time limit', async () => {
    const options = ['--hostnqn', 'nqn.2026-11.dev.x:h', '-g', '-G', '--timeout', '3'];
    expect(await cli.run('identify', volume, ...options)).toBe(0);
    expect(cli.engine.connects[0]).toMatchObject({
      host: '127.0.0.1',
      port: 4420,
      nqn,
      hostNqn: 'nqn.2026-11.dev.x:h',
      headerDigest: true,
      dataDigest: true,
      connectTimeoutMs: 3000,
    });
  });
});

describe('several paths', () => {
  const ways = `tcp://127.0.0.1:1,[::1]:2/${nqn}`;

  it('are addresses of one URI, with what nvme-cli says of them', async () => {
    const options = ['--io-policy', 'queue-depth', '--fast-io-fail-tmo', '5', '-c', '2', '-l', '60'];
    expect(await cli.run('identify', ways, ...options)).toBe(0);
    expect(cli.engine.connects[0]).toMatchObject({
      host: '127.0.0.1',
      port: 1,
      otherAddresses: [{ host: '::1', port: 2 }],
      ioPolicy: 'queue-depth',
      fastIoFailTimeoutMs: 5000,
      reconnectDelayMs: 2000,
      ctrlLossTimeoutMs: 60_000,
    });
    expect(cli.stdout.text).toMatch(/tcp:\/\/\[::1\]:2 +live +7 +1: optimized/);
    expectAllClosed();
  });

  it('are named in a report', async () => {
    expect(await cli.run('perf', ways, '-o', 'json')).toBe(0);
    expect(JSON.parse(cli.stdout.text).target).toBe(ways);
  });

  it.each([
    ['identify', ways, '--io-policy', 'best'],
    ['identify', ways, '--fast-io-fail-tmo', 'soon'],
    ['identify', ways, '--reconnect-delay', '0'],
    ['discover', 'tcp://127.0.0.1:1,127.0.0.1:2'],
  ])('%s %s %s %s is wrong usage', async (...argv) => {
    expect(await cli.run(...argv)).toBe(2);
    expect(cli.engine.connects).toEqual([]);
  });
});

describe('discover', () => {
  it("prints entries in nvme-cli's words", async () => {
    cli.engine.entries = [
      {
        subsystemNqn: nqn,
        address: '10.0.0.1',
        port: 4420,
        transport: 'tcp',
        addressFamily: 'ipv4',
        subsystemType: 'nvme',
        portId: 1,
        controllerId: 0xffff,
      },
    ];
    expect(await cli.run('discover', target)).toBe(0);
    expect(cli.stdout.text).toMatch(
      /^SUBNQN +SUBTYPE +TRTYPE +TRADDR +TRSVCID\nnqn\.\S+ +nvme +tcp +10\.0\.0\.1 +4420\n$/,
    );
    expect(await cli.run('discover', target, '-o', 'yaml')).toBe(0);
    expect(cli.stdout.text).toContain(`subnqn: ${nqn}`);
    expectAllClosed();
  });
});

describe('identify', () => {
  it('asks the discovery controller where no subsystem is named', async () => {
    expect(await cli.run('identify', target)).toBe(0);
    expect(cli.engine.connects[0]?.nqn).toBe('nqn.2014-08.org.nvmexpress.discovery');
  });

  it('refuses a namespace that is not there', async () => {
    expect(await cli.run('identify', volume, '--nsid', '9')).toBe(1);
    expect(cli.stderr.text).toContain(`${nqn} has no active namespace 9`);
    expectAllClosed();
  });

  it('prints names of a target without their control characters', async () => {
    expect(await cli.run('identify', volume)).toBe(0);
    expect(cli.stdout.text).toContain('MODEL?[2J');
    expect(cli.stdout.text).not.toContain('\u001b');
  });

  it('prints JSON with sizes as numbers', async () => {
    expect(await cli.run('identify', volume, '-o', 'json')).toBe(0);
    const printed = JSON.parse(cli.stdout.text);
    expect(printed).toMatchObject({
      controllerId: 7,
      namespaces: [{ nsid: 1, blocksCount: 64, sizeBytes: 32_768 }],
    });
  });
});

describe('read', () => {
  it('refuses a terminal and a range behind the end', async () => {
    cli.stdout.isTTY = true;
    expect(await cli.run('read', volume, '--blocks', '1')).toBe(2);
    cli.stdout.isTTY = false;
    expect(await cli.run('read', volume, '--lba', '60', '--blocks', '5')).toBe(2);
    expect(cli.stderr.text).toContain('a range within the 64 blocks of namespace 1');
    expect(cli.stdout.text).toBe('');
    expectAllClosed();
  });

  it('prints the bytes of a range', async () => {
    cli.engine.namespace.content.forEach((_, index, content) => {
      content[index] = index % 251;
    });
    expect(await cli.run('read', volume, '--lba', '3', '--blocks', '61')).toBe(0);
    expect(cli.stdout.bytes).toEqual(cli.engine.namespace.content.subarray(3 * 512));
  });
});

describe('write', () => {
  it('writes all of stdin where no number of blocks is given, whatever its pieces', async () => {
    const data = Buffer.from(Array.from({ length: 20 * 512 }, (_, index) => index % 253));
    cli.stdin = Readable.from([data.subarray(0, 7), data.subarray(7, 9000), data.subarray(9000)]);
    expect(await cli.run('write', volume, '--lba', '0x10')).toBe(0);
    expect(cli.engine.namespace.content.subarray(16 * 512, 36 * 512)).toEqual(data);
    expect(cli.engine.namespace.writes).toEqual([{ lba: 16n, bytes: 20 * 512 }]);
    expect(cli.stderr.text).toBe('20 blocks written\n');
    expectAllClosed();
  });

  it('writes no more than asked for', async () => {
    cli.stdin = Readable.from([Buffer.alloc(2048, 1)]);
    expect(await cli.run('write', volume, '--blocks', '2')).toBe(0);
    expect(cli.engine.namespace.writes).toEqual([{ lba: 0n, bytes: 1024 }]);
  });

  it('refuses input that ends early or within a block, and says what was written', async () => {
    cli.stdin = Readable.from([Buffer.alloc(512)]);
    expect(await cli.run('write', volume, '--blocks', '2')).toBe(2);
    expect(cli.stderr.text).toContain('1024 bytes; it ended early, 1 blocks written');
    cli.stdin = Readable.from([Buffer.alloc(700)]);
    expect(await cli.run('write', volume)).toBe(2);
    expect(cli.stderr.text).toContain('1 blocks written, 188 bytes left over');
    expectAllClosed();
  });

  it('refuses a range behind the end before it writes', async () => {
    cli.stdin = Readable.from([Buffer.alloc(512 * 4)]);
    expect(await cli.run('write', volume, '--lba', '62', '--blocks', '4')).toBe(2);
    expect(cli.engine.namespace.writes).toEqual([]);
  });
});

describe('pieces', () => {
  it('cuts input into pieces of one size and loses no byte', async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)));
    await fc.assert(
      fc.asyncProperty(
        chunks,
        fc.integer({ min: 1, max: 16 }),
        fc.nat({ max: 100 }),
        async (input, size, limit) => {
          const got: Buffer[] = [];
          for await (const piece of pieces(Readable.from(input), size, limit)) got.push(piece);
          expect(Buffer.concat(got)).toEqual(Buffer.concat(input).subarray(0, limit));
          expect(got.slice(0, -1).every((piece) => piece.length === size)).toBe(true);
        },
      ),
    );
  });
});

describe('perf', () => {
  it('passes its options on', async () => {
    const options = [
      '--rw',
      'randrw',
      '--bs',
      '8k',
      '--qd',
      '128',
      '--rwmix',
      '30',
      '--reactors',
      '0,1',
      '--time',
      '0.5',
    ];
    expect(await cli.run('perf', volume, ...options, '--verify', '--spin-us', 'max', '--nsid', '1')).toBe(0);
    expect(cli.engine.started).toMatchObject({ reactors: 2, cpus: [0, 1], spinUs: Number.POSITIVE_INFINITY });
    expect(cli.engine.connects[0]).toMatchObject({ nqn, ioQueues: 2, queueEntries: 128 });
    expect(cli.engine.perfs[0]).toMatchObject({
      rw: 'randrw',
      nsid: 1,
      blockSizeBytes: 8192,
      queueDepth: 128,
      rwMixPercent: 30,
      seconds: 0.5,
      verify: true,
    });
  });

  it('prints IOPS and percentiles as JSON, and progress only on a terminal', async () => {
    expect(await cli.run('perf', volume, '-o', 'json')).toBe(0);
    expect(JSON.parse(cli.stdout.text)).toMatchObject({
      rw: 'randread',
      iops: 100,
      mibPerSecond: 2,
      latencyUs: { mean: 10, p50: 9, p90: 15, p99: 20, p999: 30, max: 40 },
      read: { ios: 140, iops: 70 },
      write: { ios: 60, iops: 30 },
      cpuSecondsPerMillionIos: 2.5,
      errors: 0,
    });
    expect(cli.stderr.text).toBe('');
    cli.stderr.isTTY = true;
    expect(await cli.run('perf', volume)).toBe(0);
    expect(cli.stderr.text).toContain('\r\x1b[K1 s   100 IOPS');
  });

  it.each([
    [{ verifyErrors: 2 }, '2 blocks read back with other data'],
    [{ errors: 3 }, '3 I/Os failed'],
  ])('prints the result and exits 1 after %j', async (result, reason) => {
    cli.engine.perfResult = result;
    expect(await cli.run('perf', volume)).toBe(1);
    expect(cli.stdout.text).toContain('IOPS');
    expect(cli.stderr.text).toContain(reason);
    expectAllClosed();
  });

  it('stops early at the first signal and at once at the second', async () => {
    cli.engine.perfWaits = true;
    const running = cli.run('perf', volume);
    while (!cli.listensToSignals) await new Promise((resolve) => setImmediate(resolve));
    cli.signal('SIGINT');
    cli.signal('SIGINT');
    expect(cli.exitedNow).toBe(1);
    expect(await running).toBe(0);
    expect(cli.engine.perfs[0]?.signal?.aborted).toBe(true);
    expect(cli.listensToSignals).toBe(false);
  });
});
