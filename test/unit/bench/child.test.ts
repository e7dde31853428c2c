// What is started for a bench: it ends, with all that it started, and what goes wrong is said in one line.
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runChild, shell, startChild, untilReady } from '../../../bench/lib/child.mjs';
import { parsePeerUri, startPeer } from '../../../bench/lib/peers.mjs';
import { processGroup } from '../../../bench/lib/processes.mjs';

const longMs = 60_000;

describe('runChild', () => {
  it('gives what was written to stdout, whole', async () => {
    const { stdout, output } = await runChild(shell('echo complaint >&2; seq 50000'), longMs);
    expect(stdout.split('\n')).toHaveLength(50_001);
    expect(stdout).not.toContain('complaint');
    expect(output).toContain('complaint');
  });

  it('fails with the status and the last line', async () => {
    await expect(runChild(shell('echo first; echo broken >&2; exit 3'), longMs)).rejects.toThrow(
      'ended with 3: broken',
    );
    await expect(runChild(['ballast-no-such-program'], longMs)).rejects.toThrow('ENOENT');
  });

  it('kills what takes longer', async () => {
    await expect(runChild(shell('sleep 600'), 50)).rejects.toThrow('not over after 0.05 s');
  });
});

describe('startChild', () => {
  it('stops the whole group, a paused one too', async () => {
    const child = startChild(shell('sleep 600 & sleep 601 & echo ready; wait'));
    expect(await untilReady(child, longMs)).toBe('ready');
    const pids = child.pids();
    expect(pids).toContain(child.pid);
    expect(pids.length).toBeGreaterThanOrEqual(3);
    child.signal('SIGSTOP');
    await child.stop();
    expect(child.end()).not.toBeUndefined();
    await expect.poll(() => processGroup(child.pid as number)).toEqual([]);
  });
});

describe('startPeer', () => {
  let server: Server;
  let port: number;
  beforeEach(async () => {
    server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => server.close());
  const uris = () => [parsePeerUri(`tcp://127.0.0.1:${port}/nqn.2026-11.dev.example:a`)];
  const start = (command: string, timeLimitMs = longMs) =>
    startPeer({ command, uris: uris(), cpus: undefined, timeLimitMs });

  it('waits for `ready` on a line of its own', async () => {
    const peer = await start('echo not ready; echo ready; exec sleep 600');
    expect(peer.has('memory')).toBe(true);
    expect(peer.has('null')).toBe(false);
    expect(peer.uri('memory')).toBe(uris()[0]?.uri);
    expect(peer.pids()).toHaveLength(1);
    expect(peer.ended()).toBeUndefined();
    await peer.stop();
    expect(peer.ended()).toBe('SIGTERM');
  });

  it('refuses one that never is ready, ends, or does not exist, in one line', async () => {
    await expect(start('echo starting; sleep 600', 50)).rejects.toThrow(
      /^--peer: has to print a line 'ready', but did not in 0\.05 s/,
    );
    await expect(start('echo no memory >&2; exit 1')).rejects.toThrow(
      "--peer: has to print a line 'ready', but ended with 1 instead",
    );
    await expect(start('ballast-no-such-program')).rejects.toThrow('ended with 127 instead');
  });

  it('refuses one that is not where it should be', async () => {
    await new Promise((resolve) => server.close(resolve));
    await expect(start('echo ready; sleep 600')).rejects.toThrow(
      /^--peer-uri tcp:\S+: nothing answers there \(ECONNREFUSED\)$/,
    );
  });
});
