// The Helm chart rendered by our own small renderer: what `helm template ballast . -n ballast` prints.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { ManifestObject } from '../../src/manifests/common.js';
import { GoTemplates } from './go-template.js';

export const chartDirectory = resolve('deploy/helm/ballast');
type Values = Readonly<Record<string, unknown>>;

export function readYaml(path: string): Values {
  return parse(readFileSync(path, 'utf8')) as Values;
}

export function chartValues(...more: readonly Values[]): Values {
  return [readYaml(join(chartDirectory, 'values.yaml')), ...more].reduce(merge);
}

export function renderChart(values: Values, file?: string): readonly ManifestObject[] | string {
  const templates = new GoTemplates();
  const names = readdirSync(join(chartDirectory, 'templates')).sort();
  for (const name of names)
    templates.add(name, readFileSync(join(chartDirectory, 'templates', name), 'utf8'));
  const chart = readYaml(join(chartDirectory, 'Chart.yaml'));
  const dot = {
    Values: values,
    Chart: { AppVersion: chart.appVersion },
    Release: { Name: 'ballast', Namespace: 'ballast', Service: 'Helm' },
  };
  if (file !== undefined) return templates.render(file, dot);
  return names
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) => objectsOf(templates.render(name, dot)));
}

export function objectsOf(text: string): readonly ManifestObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors[0] !== undefined) throw new Error(`${document.errors[0].message}\n${text}`);
    const value = document.toJS() as ManifestObject | null;
    return value === null ? [] : [value];
  });
}

/** As helm merges values: maps by key, everything else whole; null takes a key away. */
function merge(below: Values, above: Values): Values {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key];
    if (value === null) delete merged[key];
    else merged[key] = isMap(old) && isMap(value) ? merge(old, value) : value;
  }
  return merged;
}

function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
