// The traps of packaging that a test can see: each was met once.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const manifest = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json'));

describe('package.json', () => {
  it('pins every package to one version', () => {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });

  it('asks for the Node-API headers instead of letting cmake-js download those of Node', () => {
    expect(manifest.binary.napi_versions).toEqual([8]);
    expect(manifest.dependencies).toHaveProperty('node-api-headers');
  });

  it('is strict about engines', () => {
    expect(read('.npmrc')).toMatch(/^engine-strict=true$/m);
    expect(manifest.engines.node).toBe('>=20.19');
    expect(manifest.license).toBe('Apache-2.0');
  });

  it('has a line of reason for each package, npm and Debian, in docs/decisions/dependencies.md', () => {
    const page = read('docs/decisions/dependencies.md');
    const debian = read('scripts/packages.txt')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(/\s+/)[1]);
    const npm = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    for (const name of [...npm, ...debian]) expect(page).toContain(`| \`${name}\` |`);
  });
});

describe('package-lock.json', () => {
  const packages = Object.entries<{ resolved?: string; engines?: { node?: string } }>(lock.packages);

  it('names no registry', () => {
    for (const [name, entry] of packages) expect(entry.resolved, name).toBeUndefined();
  });

  it('holds the packages of every platform, so that npm ci works on all of them', () => {
    for (const [name, entry] of packages) {
      const optional = Object.keys((entry as { optionalDependencies?: object }).optionalDependencies ?? {});
      for (const wanted of optional) {
        expect(Object.keys(lock.packages), `${wanted} of ${name}`).toContainEqual(
          expect.stringMatching(new RegExp(`node_modules/${wanted}$`)),
        );
      }
    }
  });

  it('has no package that leaves Node 20', () => {
    for (const [name, { engines }] of packages) {
      const ranges = (engines?.node ?? '*').split('||').map((range) => range.trim());
      const old = ranges.some((range) => !/^(?:>=?|\^)?\s*(?:2[1-9]|[3-9]\d)/.test(range));
      expect(old, `${name} wants Node ${engines?.node}`).toBe(true);
    }
  });
});
