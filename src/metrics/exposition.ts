// The text format of Prometheus for metrics with a label for each volume: a million lines with ten thousand
// of them, so they are made in pieces. prom-client makes the rest: it would hold the event loop for the whole
// of it. https://prometheus.io/docs/instrumenting/exposition_formats
export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

export type MetricType = 'counter' | 'gauge' | 'histogram';

export interface Family<Item> {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labels: readonly string[];
  /** Its lines for one item, each with a newline; empty where it has none. */
  readonly lines: (item: Item, name: string) => string;
}

export function* renderFamilies<Item>(
  families: readonly Family<Item>[],
  items: readonly Item[],
): Generator<string> {
  for (const { name, help, type, lines } of families) {
    yield `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    for (const item of items) yield lines(item, name);
  }
}

/** `a="x",b="y"`, without braces so that more can be added. */
export function formatLabels(labels: Readonly<Record<string, string | number>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(String(value))}"`)
    .join(',');
}

export function formatValue(value: number | bigint): string {
  return typeof value === 'bigint' ? value.toString() : String(value);
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
