// A controller beyond loopback, and a node that joins it with a token: certificates of both sides between
// them.

import { readdir, readFile, rm } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePorts } from '../../src/drills/processes/ports.js';
import { ballast, projectTop, type Target, Workspace } from '../support/ballast.js';

const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
/**
 * Of this machine; with no network there is loopback alone, where a place to join asks for certificates too.
 */
const host = own.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.2';

let workspace: Workspace;
let controller: Target;
let store: string;
let join: string;

beforeEach(async () => {
  workspace = await Workspace.create();
  controller = await start('controller', [
    ...['--data', workspace.path('controller'), '--api-listen', 'off'],
    ...['--listen', `${host}:0`, '--join-listen', `${host}:0`],
  ]);
  await controller.ready;
  store = /^store for agents (\S+) \(nodes with a certificate\)$/m.exec(controller.stdout)![1]!;
  join = /^join (\S+)$/m.exec(controller.stdout)![1]!;
});
afterEach(() => workspace.remove());

function start(command: string, argv: readonly string[]): Promise<Target> {
  return workspace.start(`${projectTop}/bin/ballast`, [command, ...argv]);
}

async function makeToken(...options: string[]): Promise<string> {
  const data = ['--data', workspace.path('controller')];
  const made = await ballast(['node', 'token', 'create', ...data, ...options]);
  expect(made.code).toBe(0);
  return made.stdout.toString().trim();
}

function joinWith(token: string, name = 'n1') {
  const argv = ['node', 'join', '--controller', join, '--token-file', '-', '--name', name];
  return ballast([...argv, '--data', workspace.path(name)], { input: Buffer.from(token) });
}

async function agent(name: string, ...options: string[]): Promise<Target> {
  const [port] = await freePorts(1);
  return start('agent', [
    ...['--data', workspace.path(name), '--name', name, '--api-listen', 'off'],
    ...['--listen', `tcp://127.0.0.1:${port}`, ...options],
  ]);
}

it('a node joins with a token, and its agent finds and uses the store with its certificate', async () => {
  const token = await makeToken();
  const joined = await joinWith(token);
  expect(joined.stderr).toBe('');
  expect(joined.code).toBe(0);
  expect(joined.stdout.toString()).toContain(`controller    ${store}`);
  const node = await agent('n1');
  await node.ready;
  expect(node.stderr).not.toContain('Warning');
  // M13: neither what was said nor what was kept has the token.
  const [, secret = '-'] = token.split('.');
  expect(controller.stderr + controller.stdout + node.stderr + node.stdout).not.toContain(secret);
  for (const file of await readdir(workspace.path('n1/cluster'))) {
    expect(await readFile(workspace.path(`n1/cluster/${file}`), 'latin1')).not.toContain(secret);
  }
  node.signal('SIGTERM');
  expect(await node.exited).toMatchObject({ code: 0 });
});

it('a node without a certificate does not come in', async () => {
  const node = await agent('n1', '--controller', store);
  expect(await node.exited).toMatchObject({ code: 2 });
  expect(node.stderr).toContain('a node that has joined (ballast node join)');
});

it('M1: a wrong token, or one that was used, lets nobody in, and says nothing else', async () => {
  const token = await makeToken();
  const wrong = token.replace(/\.(.)/, (_, first: string) => `.${first === 'A' ? 'B' : 'A'}`);
  const refused = await joinWith(wrong);
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^ballast: the join token is not valid/),
  });
  expect((await joinWith(token)).code).toBe(0);
  const used = await joinWith(token, 'n2');
  expect(used).toMatchObject({ code: 1, stderr: refused.stderr });
  const node = await agent('n2');
  expect(await node.exited).toMatchObject({ code: 2 });
});

it('D23: a copy of the state directory of a node does not join under another name', async () => {
  expect((await joinWith(await makeToken())).code).toBe(0);
  const again = ['node', 'join', '--controller', join, '--token-file', '-', '--name', 'n2'];
  await rm(workspace.path('n1/cluster'), { recursive: true });
  const copy = await ballast([...again, '--data', workspace.path('n1')], {
    input: Buffer.from(await makeToken()),
  });
  expect(copy).toMatchObject({ code: 1, stderr: expect.stringContaining("of node 'n1'") });
});
