// What runs in the page of a report: a chart of I/Os and one of latency for each round, drawn when it is
// opened, with lines where the fault was injected and healed. Plain JavaScript for browsers, as text; `uPlot`
// is there (page.ts inlines it).

export const pageScript = `
'use strict';
const rounds = JSON.parse(document.getElementById('data').textContent);
const drawMarks = (marks) => (chart) => {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.lineWidth = 2;
  for (const { atMs, kind } of marks) {
    const x = chart.valToPos(atMs / 1000, 'x', true);
    ctx.strokeStyle = kind === 'fault' ? '#b00020' : '#00695c';
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
};
const draw = (place, marks, title, scale, seconds, lines) => new uPlot({
  title, width: Math.max(400, place.clientWidth), height: 240,
  cursor: { sync: { key: 'time' + place.parentNode.dataset.chart } },
  scales: { x: { time: false }, y: scale },
  axes: [{ label: 's after the load began' }, { size: 70 }],
  series: [{ label: 's' }, ...lines.map(([label, stroke]) => ({ label, stroke, width: 1.5 }))],
  hooks: { draw: [drawMarks(marks)] },
}, [seconds, ...lines.map((line) => line[2])], place);
const open = (details) => {
  const place = details.querySelector('.charts');
  if (!details.open || place.childElementCount > 0) return;
  const { series, marks } = rounds[details.dataset.chart];
  const seconds = series.atMs.map((ms) => ms / 1000);
  draw(place, marks, 'I/Os a second', {}, seconds, [
    ['writes', '#1565c0', series.writeIops],
    ['reads', '#ef6c00', series.readIops],
    ['errors in 0.1 s', '#b00020', series.errors],
  ]);
  draw(place, marks, 'latency, ms', { distr: 3 }, seconds, [
    ['p50', '#2e7d32', series.p50Ms],
    ['p99', '#ef6c00', series.p99Ms],
    ['max', '#b00020', series.maxMs],
  ]);
};
for (const details of document.querySelectorAll('details')) {
  details.addEventListener('toggle', () => open(details));
  open(details);
}
`;
