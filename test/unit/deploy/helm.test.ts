// With the real helm, by `npm run test:helm`: it takes the chart, and prints what our small renderer prints.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { ManifestObject } from '../../../src/manifests/common.js';
import { manifests } from '../../../src/manifests/manifests.js';
import { chartDirectory, chartValues, objectsOf, renderChart } from '../../support/chart.js';
import { variants } from '../../support/manifest-variants.js';

const { BALLAST_HELM: helm, BALLAST_STRICT: strict } = process.env;
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ballast-helm-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(helm === undefined)('helm (npm run test:helm)', () => {
  it.each(variants)('lints the chart: $name', ({ values }) => {
    const { status, output } = runHelm('lint', values, ['--strict']);
    expect(status, output).toBe(0);
  });

  it.each(variants)('prints what our renderer prints: $name', ({ values }) => {
    const { status, output } = runHelm('template', values, []);
    expect(status, output).toBe(0);
    const ours = renderChart(chartValues(values)) as readonly ManifestObject[];
    expect(byName(objectsOf(output))).toEqual(byName(ours));
  });

  it('refuses values that the schema refuses', () => {
    const { status, output } = runHelm('template', { ...variants[0]?.values, unknown: 1 }, []);
    expect(status).not.toBe(0);
    expect(output).toContain('unknown');
  });
});

describe.skipIf(strict === undefined)('types of Kubernetes (npm run test:helm)', () => {
  const decode = (objects: readonly object[]) =>
    spawnSync(strict ?? '', {
      input: objects.map((one) => JSON.stringify(one)).join('\n'),
      encoding: 'utf8',
    });

  it.each(variants)('take every object of ballast manifests: $name', ({ options }) => {
    const { stdout } = decode(manifests(options));
    expect(stdout).toMatch(/^\d+ known, \d custom, 0 failed\n$/);
  });

  it('take the examples', () => {
    const files = readdirSync('deploy/examples').filter((name) => name.endsWith('.yaml'));
    const objects = files.flatMap((name) => objectsOf(readFileSync(join('deploy/examples', name), 'utf8')));
    expect(decode(objects).stdout).toMatch(/^\d+ known, \d custom, 0 failed\n$/);
  });

  it('do not take a field that there is not', () => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containerz: [] } };
    expect(decode([pod]).stdout).toContain('containerz');
  });
});

function runHelm(
  verb: string,
  values: object,
  more: readonly string[],
): { status: number | null; output: string } {
  const file = join(folder, 'values.yaml');
  writeFileSync(file, stringify(values));
  const release = verb === 'template' ? ['ballast'] : [];
  const args = [
    verb,
    ...release,
    chartDirectory,
    '-n',
    'ballast',
    '--kube-version',
    '1.34.0',
    '-f',
    file,
    ...more,
  ];
  const { status, stdout, stderr } = spawnSync(helm ?? '', args, { encoding: 'utf8' });
  return { status, output: status === 0 ? stdout : stdout + stderr };
}

function byName(objects: readonly ManifestObject[]): Readonly<Record<string, ManifestObject>> {
  return Object.fromEntries(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
}
