// scripts/setup where something is missing: told by a PATH with nothing on it but what is linked there.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const top = fileURLToPath(new URL('../../..', import.meta.url));
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ballast-setup-'));
  for (const tool of ['bash', 'env', 'dirname', 'cat', 'g++', 'ninja']) link(tool);
});
afterEach(() => rmSync(directory, { recursive: true }));

function link(tool: string): void {
  const found = [`/usr/bin/${tool}`, `/bin/${tool}`].find(existsSync);
  if (found === undefined) throw new Error(`no ${tool} here`);
  symlinkSync(found, join(directory, tool));
}

function fake(tool: string, script: string): void {
  writeFileSync(join(directory, tool), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, tool), 0o755);
}

function setup(...argv: string[]) {
  const script = join(top, 'scripts/setup');
  return spawnSync('/bin/bash', [script, ...argv], { env: { PATH: directory }, encoding: 'utf8' });
}

describe('scripts/setup', () => {
  it('refuses an option it does not know', () => {
    expect(setup('--fast')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('unknown option --fast'),
    });
  });

  it('names, without root, exactly what to install and why, and exits 1', () => {
    fake('id', 'echo 1000');
    fake('apt-get', `echo "$@" >> ${join(directory, 'calls')}`);
    const { status, stderr } = setup();
    expect(status).toBe(1);
    expect(stderr).toContain('cmake: configures it');
    expect(stderr).toMatch(/sudo apt-get update && sudo apt-get install -y --no-install-recommends cmake$/m);
    expect(existsSync(join(directory, 'calls'))).toBe(false);
  });

  it('installs, as root, only what is missing, and stops when that fails', () => {
    fake('id', 'echo 0');
    fake('apt-get', `echo "$@" >> ${join(directory, 'calls')}\n[ "$1" = update ]`);
    const { status, stderr } = setup();
    expect(status).toBe(1);
    expect(stderr).toContain('apt-get could not install: cmake');
    const calls = readFileSync(join(directory, 'calls'), 'utf8').trimEnd().split('\n');
    expect(calls[0]).toBe('update -qq');
    expect(calls[1]).toMatch(/^install -y --no-install-recommends cmake /);
    expect(calls).toHaveLength(2);
  });

  it('says so where there is no apt-get', () => {
    fake('id', 'echo 0');
    expect(setup()).toMatchObject({ status: 1, stderr: expect.stringContaining('install the equivalents') });
  });
});
