// Reads the text format of Prometheus strictly: what promtool would complain of is an error here, so that a
// machine without it finds the same. https://prometheus.io/docs/instrumenting/exposition_formats
export interface FamilyRead {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly SampleRead[];
}

export interface SampleRead {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const labelPattern = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;

export function readExposition(text: string): ReadonlyMap<string, FamilyRead> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, FamilyRead & { samples: SampleRead[] }>();
  const seen = new Set<string>();
  let current: (FamilyRead & { samples: SampleRead[] }) | undefined;
  let help: readonly [string, string] | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment;
      if (kind === 'HELP') help = [name, rest];
      else {
        if (families.has(name)) throw new Error(`${name} comes twice`);
        if (help?.[0] !== name) throw new Error(`${name} has no HELP before its TYPE`);
        current = { name, type: rest, help: help[1], samples: [] };
        families.set(name, current);
      }
      continue;
    }
    const sample = readSample(line);
    const of = current?.type === 'histogram' ? sample.name.replace(/_(bucket|sum|count)$/, '') : sample.name;
    if (current === undefined || of !== current.name) throw new Error(`${line} is not of ${current?.name}`);
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    if (seen.has(key)) throw new Error(`${line} comes twice`);
    seen.add(key);
    current.samples.push(sample);
  }
  for (const family of families.values()) checkFamily(family);
  return families;
}

function readSample(line: string): SampleRead {
  const match = sampleLine.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const [, name = '', labelText = '', valueText = ''] = match;
  const labels: Record<string, string> = {};
  labelPattern.lastIndex = 0;
  for (let end = 0; end < labelText.length; end = labelPattern.lastIndex) {
    const found = labelPattern.exec(labelText);
    if (found === null) throw new Error(`labels cannot be read: ${line}`);
    labels[found[1] ?? ''] = (found[2] ?? '').replace(/\\(.)/g, (_, one) => (one === 'n' ? '\n' : one));
  }
  const value = valueText === '+Inf' ? Number.POSITIVE_INFINITY : Number(valueText);
  if (Number.isNaN(value)) throw new Error(`not a number: ${line}`);
  return { name, labels, value };
}

function checkFamily({ name, type, help, samples }: FamilyRead): void {
  if (help.trim() === '') throw new Error(`${name} has no help`);
  if (!['counter', 'gauge', 'histogram'].includes(type)) throw new Error(`${name} is a ${type}`);
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is a ${type}`);
  if (/_(milliseconds|us|ms|ns|kib|mib|percent)(_|$)/.test(name)) throw new Error(`${name}: base units`);
  if (type === 'counter' && samples.some(({ value }) => value < 0)) throw new Error(`${name} is below 0`);
  if (type === 'histogram') checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly SampleRead[]): void {
  const series = new Map<string, SampleRead[]>();
  for (const sample of samples) {
    const { le: _, ...others } = sample.labels;
    const key = JSON.stringify(others);
    series.set(key, [...(series.get(key) ?? []), sample]);
  }
  for (const [key, of] of series) {
    const buckets = of.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => (labels.le === '+Inf' ? Infinity : Number(labels.le)));
    const count = of.find((sample) => sample.name === `${name}_count`)?.value;
    const rising = (values: readonly number[]) =>
      values.every((one, i) => i === 0 || one >= (values[i - 1] ?? 0));
    if (!rising(bounds) || bounds.at(-1) !== Infinity) throw new Error(`bounds of ${name}${key}`);
    if (!rising(buckets.map(({ value }) => value))) throw new Error(`buckets of ${name}${key} fall`);
    if (buckets.at(-1)?.value !== count) throw new Error(`count of ${name}${key}`);
    if (!of.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name}${key} has no sum`);
  }
}
