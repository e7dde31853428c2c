import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ManifestObject } from '../../../src/manifests/common.js';
import { manifests } from '../../../src/manifests/manifests.js';
import { chartDirectory, chartValues, readYaml, renderChart } from '../../support/chart.js';
import { comparable } from '../../support/manifest-objects.js';
import { plainOptions, variants } from '../../support/manifest-variants.js';

const chart = readYaml(join(chartDirectory, 'Chart.yaml'));

describe.each(variants)('the chart with $name', ({ options, values }) => {
  const ours = comparable(manifests(options));
  const helms = comparable(renderChart(chartValues(values)) as readonly ManifestObject[]);

  it('has the objects of ballast manifests', () => {
    expect(Object.keys(helms).sort()).toEqual(Object.keys(ours).sort());
  });

  it.each(Object.keys(ours).map((name) => [name]))('%s', (name) => {
    expect(helms[name]).toEqual(ours[name]);
  });
});

describe('the chart', () => {
  it('is of the version of the program', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(chart).toMatchObject({ version, appVersion: version });
    expect(plainOptions.version).toBe(version);
  });

  it('says in its notes what this release has not', () => {
    const notes = renderChart(chartValues(variants[0]!.values), 'NOTES.txt');
    expect(notes).toContain('serves the disks of ONE node, storage-1,');
    expect(notes).toContain('no replication');
    expect(notes).toContain('Inline ephemeral volumes and figures of pods work on storage-1 only');
    expect(renderChart(chartValues(variants[1]!.values), 'NOTES.txt')).not.toContain(
      'only, since other nodes',
    );
  });

  it('says in its notes how nodes of a cluster join', () => {
    const { values } = variants.find(({ name }) => name === 'a cluster')!;
    const notes = renderChart(chartValues(values), 'NOTES.txt');
    expect(notes).toContain('its controller is on storage-1, at 10.1.0.1,');
    expect(notes).toContain('create secret generic ballast-join --from-file=token');
    expect(notes).not.toContain('ONE node');
    expect(notes).not.toContain('ballast pool create');
  });

  it('gives the pods that use nothing of a cluster no token of it', () => {
    const objects = renderChart(chartValues(variants[0]!.values)) as readonly ManifestObject[];
    const sets = objects.filter(({ kind }) => kind === 'DaemonSet');
    expect(sets.map((set) => podOf(set).automountServiceAccountToken)).toEqual([false, false]);
  });
});

function podOf(object: ManifestObject): Readonly<Record<string, unknown>> {
  return (object as unknown as { spec: { template: { spec: Record<string, unknown> } } }).spec.template.spec;
}
