// What a user deploys beside the daemon speaks of metrics that exist, and the page describes all of them.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Metrics } from '../../../src/metrics/metrics.js';
import { type FamilyRead, readExposition } from '../../support/exposition-format.js';
import { fakeMetricsSource, textOf } from '../../support/fake-metrics.js';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
let families: ReadonlyMap<string, FamilyRead>;
beforeAll(async () => {
  const metrics = new Metrics({ source: fakeMetricsSource, node: 'n', version: '1' });
  families = readExposition(await textOf(metrics.text()));
});

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}
const rules = (parse(read('deploy/prometheus/rules.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(read('deploy/grafana/ballast.json')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
};
const page = read('docs/operations/monitoring.md');

/** Names in an expression that no metric has; of a histogram, its series count as it. */
function unknown(expression: string): readonly string[] {
  const names = expression.match(/\b(?:ballast|process)_\w+/g) ?? [];
  return names.filter((name) => {
    const histogram = name.replace(/_(bucket|sum|count)$/, '');
    return !families.has(name) && families.get(histogram)?.type !== 'histogram';
  });
}

/** Labels that an expression asks for, of any metric. */
function foreignLabels(expression: string): readonly string[] {
  const known = new Set(['le', 'job', 'instance']);
  for (const { samples } of families.values()) {
    for (const { labels } of samples) for (const label of Object.keys(labels)) known.add(label);
  }
  const matchers = [...expression.matchAll(/([a-z_]+)(?==~?"|!=)/g)].map(([, label = '']) => label);
  const groups = [...expression.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(/, */),
  );
  return [...matchers, ...groups].filter((label) => !known.has(label));
}

describe('the dashboard', () => {
  it('asks for metrics and labels that exist', () => {
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    const variables = dashboard.templating.list.map(({ query }) => JSON.stringify(query));
    expect(expressions.length).toBeGreaterThan(20);
    for (const expression of [...expressions, ...variables]) {
      expect([expression, unknown(expression)]).toEqual([expression, []]);
    }
    for (const expression of expressions)
      expect([expression, foreignLabels(expression)]).toEqual([expression, []]);
  });

  it('chooses data source, node and volume', () => {
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(['datasource', 'node', 'volume']);
  });
});

describe('the rules', () => {
  it('ask for metrics and labels that exist, and each has its paragraph', () => {
    for (const { alert, expr, annotations } of rules) {
      expect([alert, unknown(expr), foreignLabels(expr)]).toEqual([alert, [], []]);
      expect(annotations.runbook_url).toBe(`docs/operations/monitoring.md#${alert.toLowerCase()}`);
      expect(page).toContain(`### ${alert}\n`);
    }
    expect(rules.map(({ alert }) => alert)).toEqual(
      expect.arrayContaining(['PoolAlmostFull', 'VolumeNotServing', 'QoSThrottled', 'GuaranteeNotKept']),
    );
  });
});

describe('docs/operations/monitoring.md', () => {
  it('describes every metric, with its type and labels, and no other', () => {
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*) \|/gm)];
    const described = rows.map(([, name, type, labels = '']) => [name, type, labels.match(/\w+/g) ?? []]);
    const actual = [...families.values()].map(({ name, type, samples }) => {
      const labels = Object.keys(samples[0]?.labels ?? {}).filter((label) => label !== 'le');
      return [name, type, labels.sort()];
    });
    expect(described.map(([name, type, labels]) => [name, type, [...(labels ?? [])].sort()])).toEqual(
      expect.arrayContaining(actual),
    );
    expect(rows.map(([, name]) => name).sort()).toEqual([...families.keys()].sort());
  });
});
