import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readStages } from '../../../deploy/docker/dockerfile.mjs';
import { manifests } from '../../../src/manifests/manifests.js';
import { chartDirectory, readYaml } from '../../support/chart.js';
import { plainOptions } from '../../support/manifest-variants.js';

const [builder, image] = readStages('deploy/docker/Dockerfile');
const allowed = readFileSync('.dockerignore', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));

describe('the Dockerfile', () => {
  it('copies files that are there and that .dockerignore lets in, and nothing else is let in', () => {
    const sources = builder!.copies.flatMap((copy) => copy.sources);
    expect(sources.filter((source) => !existsSync(source))).toEqual([]);
    expect([...allowed].sort()).toEqual([...sources].sort());
  });

  it('lets in no state, no build and no history', () => {
    expect(readFileSync('.dockerignore', 'utf8')).toMatch(/^\*$/m);
    for (const name of ['node_modules', 'build', 'dist', 'var', '.git', 'test'])
      expect(allowed).not.toContain(name);
  });

  it('puts into the image what the program loads', () => {
    const targets = image!.copies.map(({ target }) => target);
    for (const wanted of ['dist', 'node_modules', 'proto', 'bin']) expect(targets).toContain(wanted);
    expect(targets).toContain('build/addon/RelWithDebInfo/ballast.node');
    expect(image!.copies.every(({ from }) => from === 'builder')).toBe(true);
  });

  it('has what the packages of an image are looked up by', () => {
    const labels = image!.instructions.find(({ word }) => word === 'LABEL')?.rest ?? '';
    for (const label of ['title', 'description', 'licenses', 'version', 'revision']) {
      expect(labels).toContain(`org.opencontainers.image.${label}=`);
    }
    const version = image!.instructions.find(({ rest }) => rest.startsWith('VERSION='))?.rest;
    expect(version).toBe(`VERSION=${String(readYaml(join(chartDirectory, 'Chart.yaml')).appVersion)}`);
    expect(image!.instructions.map(({ word }) => word)).toEqual(
      expect.arrayContaining(['HEALTHCHECK', 'ENTRYPOINT', 'CMD', 'VOLUME', 'EXPOSE']),
    );
  });
});

const analyze = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' });
const units = readdirSync('deploy/systemd').filter((name) => name.endsWith('.service'));

// In a container there may be no systemd.
describe.skipIf(analyze.error !== undefined)('systemd-analyze verify (needs systemd)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ballast-units-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  // As if it were installed: the program of this checkout.
  for (const unit of units) {
    const text = readFileSync(join('deploy/systemd', unit), 'utf8');
    writeFileSync(join(folder, unit), text.replaceAll('/opt/ballast/bin/ballast', resolve('bin/ballast')));
  }
  const verify = (name: string) => {
    const args = ['verify', '--man=no', join(folder, name)];
    const environment = { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` };
    const { status, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8', env: environment });
    return { status, complaints: stderr.split('\n').filter((line) => line.includes('ballast')) };
  };

  it.each(units)('finds nothing in %s', (unit) => {
    expect(verify(unit)).toEqual({ status: 0, complaints: [] });
  });

  it('finds a word that there is not', () => {
    writeFileSync(join(folder, 'ballast-broken.service'), '[Service]\nExecStart=/bin/true\nLimitMemlok=1\n');
    expect(verify('ballast-broken.service').complaints.join()).toContain('LimitMemlok');
  });
});

/** What containers and units start: a command of ours and its options. */
const commands = [
  ...units.map((unit) => {
    const text = readFileSync(join('deploy/systemd', unit), 'utf8').replace(/\\\n\s*/g, '');
    return [unit, (/^ExecStart=\S+ (.*)$/m.exec(text)?.[1] ?? '').split(' ')] as const;
  }),
  ...manifests(plainOptions).flatMap((object) =>
    containersOf(object)
      .filter(({ image: of }) => of === plainOptions.image)
      .map(({ args }) => [`${object.kind} ${object.metadata.name}`, args] as const),
  ),
];

describe('what is started', () => {
  it('are three units and three pods', () => {
    expect(commands).toHaveLength(6);
  });

  for (const [who, [name, ...words]] of commands) {
    it(`${who}: a command with options that there are`, () => {
      const source = readFileSync(`src/cli/${name}.ts`, 'utf8');
      const options = words.flatMap((word) => /^--[a-z-]+/.exec(word) ?? []);
      expect(options.length).toBeGreaterThan(0);
      for (const option of options) expect(source).toContain(`'${option} `);
    });
  }
});

function containersOf(
  object: object,
): readonly { readonly image: string; readonly args: readonly string[] }[] {
  const { spec } = object as { spec?: { template?: { spec: { containers: [] } } } };
  return spec?.template?.spec.containers ?? [];
}
