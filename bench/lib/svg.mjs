// The latencies of a result document as an SVG: one panel for each kind of job, percentiles from left to
// right, microseconds on a logarithmic scale, one line for each queue depth; ours solid, the peer's dashed.
// Pure: text in, text out.

import { jobTitle } from './matrix.mjs';

const percentiles = [
  ['p50', '50'],
  ['p90', '90'],
  ['p99', '99'],
  ['p999', '99.9'],
  ['max', 'max'],
];
const panel = { width: 380, height: 270, left: 52, right: 54, top: 34, bottom: 34 };
const panelsAcross = 3;
const headHeight = 56;
const colours = ['#1b6ca8', '#d1602b', '#2f8f4e', '#8446a6', '#a8851b', '#b5305c'];

const escaped = (text) =>
  text.replace(/[<>&"]/g, (c) => ({ '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' })[c]);
const number = (value) => String(Math.round(value * 10) / 10);
const label = (us) => {
  if (us >= 1e6) return `${us / 1e6} s`;
  return us >= 1000 ? `${us / 1000} ms` : String(us);
};

function text(x, y, content, attributes = '') {
  return `<text x="${number(x)}" y="${number(y)}"${attributes}>${escaped(content)}</text>`;
}

/** The series of a panel: [{ name, dashed, colour, points: [[index of the percentile, us]] }]. */
function seriesOf(results) {
  const depths = [...new Set(results.map(({ queueDepth }) => queueDepth))];
  return results.flatMap((result) =>
    ['ours', 'peer'].flatMap((who) => {
      const latency = result[who]?.latencyUs;
      if (!latency) return [];
      const points = percentiles.flatMap(([key], i) =>
        latency[key]?.median > 0 ? [[i, latency[key].median]] : [],
      );
      const colour = colours[depths.indexOf(result.queueDepth) % colours.length];
      return [{ name: `QD ${result.queueDepth}`, dashed: who === 'peer', colour, points }];
    }),
  );
}

function drawSeries({ name, dashed, colour, points }, x, y) {
  const at = points.map(([i, us]) => `${number(x(i))},${number(y(us))}`).join(' ');
  const dash = dashed ? ' stroke-dasharray="5 4"' : '';
  const fill = dashed ? '#fff' : colour;
  const marks = points.map(([i, us]) => {
    const title = `${name}${dashed ? ', peer' : ''}: ${number(us)} us`;
    const place = `cx="${number(x(i))}" cy="${number(y(us))}" r="2.5"`;
    return `<circle ${place} fill="${fill}" stroke="${colour}"><title>${escaped(title)}</title></circle>`;
  });
  return [`<polyline points="${at}" fill="none" stroke="${colour}" stroke-width="1.6"${dash}/>`, ...marks];
}

/** Names at the right ends, moved apart where they would cover each other. */
function drawNames(series, x, y) {
  const ends = series
    .filter(({ dashed, points }) => !dashed && points.length > 0)
    .map(({ name, colour, points }) => ({ name, colour, x: x(points.at(-1)[0]), y: y(points.at(-1)[1]) }))
    .sort((a, b) => a.y - b.y);
  for (const [i, end] of ends.entries()) if (i > 0) end.y = Math.max(end.y, ends[i - 1].y + 12);
  return ends.map((end) => text(end.x + 6, end.y + 4, end.name, ` fill="${end.colour}"`));
}

/** The powers of ten around all latencies: one scale for all panels, so that they can be compared. */
function scaleOf(panels) {
  const all = panels.flatMap(({ series }) => series.flatMap(({ points }) => points.map(([, us]) => us)));
  const low = Math.floor(Math.log10(Math.min(...all)));
  return { low, high: Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all)))) };
}

function drawPanel({ title, series }, { low, high }, left, top) {
  const inner = {
    width: panel.width - panel.left - panel.right,
    height: panel.height - panel.top - panel.bottom,
  };
  const x = (i) => left + panel.left + (i * inner.width) / (percentiles.length - 1);
  const y = (us) => top + panel.top + inner.height * (1 - (Math.log10(us) - low) / (high - low));
  const grid = [];
  for (let power = low; power <= high; ++power) {
    const line = y(10 ** power);
    const path = `M${number(x(0))} ${number(line)}H${number(x(percentiles.length - 1))}`;
    grid.push(`<path d="${path}" stroke="#ddd"/>`);
    grid.push(text(x(0) - 8, line + 4, label(10 ** power), ' text-anchor="end" fill="#666"'));
  }
  const below = top + panel.height - panel.bottom + 18;
  return [
    '<g>',
    text(left + panel.left, top + 20, title, ' font-weight="bold"'),
    ...grid,
    ...percentiles.map(([, name], i) => text(x(i), below, name, ' text-anchor="middle" fill="#666"')),
    ...series.flatMap((one) => drawSeries(one, x, y)),
    ...drawNames(series, x, y),
    '</g>',
  ];
}

function panelsOf({ results }) {
  const clients = new Set(results.map(({ client }) => client)).size;
  const groups = new Map();
  for (const result of results) {
    if (!result.ours && !result.peer) continue;
    const title = `${jobTitle(result)}${clients > 1 ? `, ${result.client}` : ''}`;
    groups.set(title, [...(groups.get(title) ?? []), result]);
  }
  return [...groups].map(([title, group]) => ({ title, series: seriesOf(group) }));
}

export function latencySvg(document) {
  const panels = panelsOf(document);
  const scale = scaleOf(panels);
  const across = Math.min(panelsAcross, Math.max(1, panels.length));
  const width = across * panel.width;
  const height = headHeight + Math.max(1, Math.ceil(panels.length / across)) * panel.height;
  const { date, revision, machine, runs, seconds, results } = document;
  const legend = results.some(({ peer }) => peer) ? 'solid: ballast, dashed: the peer; ' : '';
  const about = `${revision.slice(0, 8)}, ${date.slice(0, 10)}, ${machine.cpu}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"` +
      ` viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(
      12,
      22,
      'Latency by percentile, in microseconds where nothing else is said',
      ' font-size="15" font-weight="bold"',
    ),
    text(12, 42, `${legend}medians of ${runs} runs of ${seconds} s; ${about}`),
    ...panels.flatMap((one, i) => {
      const top = headHeight + Math.floor(i / across) * panel.height;
      return drawPanel(one, scale, (i % across) * panel.width, top);
    }),
    '</svg>',
    '',
  ].join('\n');
}
