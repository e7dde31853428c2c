// A result document as tables for people. Pure.

import { jobTitle } from './matrix.mjs';
import { table, thousands } from './statistics.mjs';

const range = ({ min, max }) => `${thousands(min)}-${thousands(max)}`;
const times = (ratio, digits = 2) => (ratio === undefined ? '-' : `${ratio.median.toFixed(digits)}x`);
const timesRange = (ratio) =>
  ratio === undefined ? '-' : `${times(ratio)} (${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)})`;
const us = (figure) => (figure === undefined ? '-' : figure.median.toFixed(1));
const cpu = (figures) => figures?.targetCpuSecondsPerMillionIos?.median.toFixed(2) ?? '-';

/** [title, cell of a result] of each column. */
function columns({ results }) {
  const clients = new Set(results.map(({ client }) => client)).size;
  const large = results.some(({ blockBytes }) => blockBytes >= 64 << 10);
  const peer = results.some((result) => result.peer);
  const limit = results.some(({ ratioToLimit }) => ratioToLimit !== undefined);
  const memoryLimit = results.some(({ ratioToMemoryLimit }) => ratioToMemoryLimit !== undefined);
  return [
    ['job', (r) => jobTitle(r)],
    ['QD', (r) => String(r.queueDepth)],
    ...(clients > 1 ? [['client', (r) => r.client]] : []),
    ['IOPS', ({ ours }) => (ours ? thousands(ours.iops.median) : '-')],
    ['min-max', ({ ours }) => (ours ? range(ours.iops) : '-')],
    ...(large ? [['MiB/s', ({ ours }) => ours?.mibPerSecond?.median.toFixed(0) ?? '-']] : []),
    ...['mean', 'p50', 'p99', 'p999'].map((key) => [
      { mean: 'mean us', p50: 'p50', p99: 'p99', p999: 'p99.9' }[key],
      ({ ours }) => us(ours?.latencyUs[key]),
    ]),
    ['CPU s/M', ({ ours }) => cpu(ours)],
    ...(limit
      ? [
          ['limit', (r) => (r.limitPerSecond === undefined ? '-' : thousands(r.limitPerSecond))],
          [
            'of limit',
            (r) => (r.ratioToLimit === undefined ? '-' : `${(100 * r.ratioToLimit).toFixed(0)} %`),
          ],
        ]
      : []),
    ...(memoryLimit
      ? [
          ['from memory', (r) => (r.memoryLimitPerSecond ? thousands(r.memoryLimitPerSecond) : '-')],
          ['of that', (r) => (r.ratioToMemoryLimit ? `${(100 * r.ratioToMemoryLimit).toFixed(0)} %` : '-')],
        ]
      : []),
    ...(peer
      ? [
          ['peer IOPS', (r) => (r.peer ? thousands(r.peer.iops.median) : '-')],
          ['p99', (r) => us(r.peer?.latencyUs.p99)],
          ['CPU s/M', (r) => cpu(r.peer)],
          ['IOPS to peer', (r) => timesRange(r.ratioToPeer?.iops)],
          ['p99', (r) => times(r.ratioToPeer?.p99)],
          ['CPU', (r) => times(r.ratioToPeer?.targetCpu)],
        ]
      : []),
  ];
}

export function resultTable(document) {
  const shown = columns(document);
  return table(
    shown.map(([title]) => title),
    document.results.map((result) => shown.map(([, cell]) => cell(result))),
  );
}

/** `ballast perf` against the other client, and both of ours against both of theirs; '' with one client. */
export function clientTable({ results }) {
  const byKey = Map.groupBy
    ? Map.groupBy(results, ({ key }) => key)
    : results.reduce((map, one) => map.set(one.key, [...(map.get(one.key) ?? []), one]), new Map());
  const rows = [];
  let name = '';
  for (const [own, other] of byKey.values()) {
    if (!own?.ours || !other?.ours) continue;
    name = other.client;
    const ratio = (a, b) => (a && b ? `${(a.iops.median / b.iops.median).toFixed(2)}x` : '-');
    rows.push([
      jobTitle(own),
      String(own.queueDepth),
      ratio(own.ours, other.ours),
      ratio(own.peer, other.peer),
      ratio(own.ours, other.peer),
    ]);
  }
  if (rows.length === 0) return '';
  const header = ['job', 'QD', 'our target', 'the peer', 'ours and ours to theirs and theirs'];
  return `IOPS with ballast perf to those with ${name}:\n${table(header, rows)}`;
}

/** '' where it was not measured. @param {{ footprint?: any }} document */
export function footprintTable({ footprint }) {
  if (!footprint) return '';
  const mib = (figure) => (figure === undefined ? '-' : (figure.median / 2 ** 20).toFixed(1));
  const row = (name, of) => [
    name,
    of.startMs.median.toFixed(0),
    mib(of.readyBytes),
    mib(of.loadedBytes),
    mib(of.nodeBytes),
    mib(of.nativeBytes),
  ];
  const header = ['target', 'ready after ms', 'MiB then', '100 conn at QD 32', 'of it Node', 'native'];
  const rows = [row('ours', footprint.ours), ...(footprint.peer ? [row('peer', footprint.peer)] : [])];
  return table(header, rows);
}
