// When the certificate of a node is asked for anew, and what happens when that fails.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeStateDirectory } from '../../../src/base/state-directory.js';
import { Authority } from '../../../src/trust/authority.js';
import {
  encodeControllers,
  type Membership,
  membershipFiles,
  readMembership,
  writeMember,
} from '../../../src/trust/membership.js';
import { MembershipRenewal } from '../../../src/trust/renewal.js';
import { newKey, requestOf } from '../../../src/trust/x509.js';
import { FakeClock } from '../../support/fake-clock.js';

const id = '0b4f7c58-5d0f-4a6e-9f0e-3a3a0e5b6c11';
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
let directory: string;
let clock: FakeClock;
let authority: Authority;
let lines: string[];
let asked: number;
let failure: Error | undefined;
let told: Membership[];
let renewal: MembershipRenewal;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ballast-renewal-'));
  clock = new FakeClock();
  authority = await Authority.open(join(directory, 'authority'), clock);
  lines = [];
  asked = 0;
  failure = undefined;
  told = [];
  renewal = new MembershipRenewal({
    stateDirectory: directory,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
    clock,
    renewed: (membership) => told.push(membership),
    renew: async () => {
      asked += 1;
      if (failure !== undefined) throw failure;
      await certify();
      return (await readMembership(directory))!;
    },
  });
});
afterEach(async () => {
  await renewal.close();
  rmSync(directory, { recursive: true });
});

async function certify(): Promise<void> {
  const files = membershipFiles(directory);
  await makeStateDirectory(join(directory, 'cluster'));
  const key = await newKey();
  const { certificate } = await authority.signNode(id, await requestOf(key));
  await writeMember(files.key, key, 0o600);
  await writeMember(files.authority, authority.certificate);
  await writeMember(files.controllers, encodeControllers([{ host: '192.0.2.1', port: 8430 }]));
  await writeMember(files.certificate, certificate);
}

/** What begins by the hour has ended. */
async function later(ms: number): Promise<void> {
  clock.advance(ms);
  await renewal.idle();
}

it('a certificate is left alone for half of its life, and replaced then, once', async () => {
  await certify();
  renewal.start();
  await renewal.idle();
  await later(181 * dayMs);
  expect(asked).toBe(0);
  await later(2 * dayMs);
  expect(asked).toBe(1);
  expect(told).toHaveLength(1);
  await later(hourMs);
  await later(hourMs);
  expect(asked).toBe(1);
  expect(lines.join('')).toContain('is valid until');
});

it('a renewal that fails is tried again every hour', async () => {
  await certify();
  failure = new Error('nobody can be reached');
  renewal.start();
  await renewal.idle();
  await later(183 * dayMs);
  await later(hourMs);
  expect(asked).toBe(2);
  expect(told).toEqual([]);
  expect(lines.filter((line) => line.includes('nobody can be reached'))).toHaveLength(2);
  failure = undefined;
  await later(hourMs);
  expect(told).toHaveLength(1);
});

it('a node that has joined no cluster asks for nothing', async () => {
  renewal.start();
  await renewal.idle();
  await later(400 * dayMs);
  expect(asked).toBe(0);
  expect(lines).toEqual([]);
});

it('nothing is asked for after the end', async () => {
  await certify();
  renewal.start();
  await renewal.close();
  await later(200 * dayMs);
  expect(asked).toBe(0);
  expect(clock.timersCount).toBe(0);
});
