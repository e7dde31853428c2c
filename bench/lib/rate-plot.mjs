// Rates over time as an SVG: what was allowed as steps, what went as a line. Pure: text in, text out.

const size = { width: 900, height: 320, left: 70, right: 20, top: 40, bottom: 40 };

const dashed = 'stroke="#d1602b" stroke-dasharray="6 4" fill="none"';
const font = 'font-family="sans-serif" font-size="11"';

/**
 * points: [{ seconds, iops }], of the interval that ends there. steps: [{ fromSeconds, untilSeconds, iops }],
 * the limits.
 */
export function ratePlot(title, points, steps) {
  const seconds = Math.max(
    ...points.map((point) => point.seconds),
    ...steps.map((step) => step.untilSeconds),
  );
  const most = 1.15 * Math.max(...points.map(({ iops }) => iops), ...steps.map(({ iops }) => iops));
  const x = (at) => (size.left + (at / seconds) * (size.width - size.left - size.right)).toFixed(1);
  const y = (iops) =>
    (size.height - size.bottom - (iops / most) * (size.height - size.top - size.bottom)).toFixed(1);
  const line = points.map((point) => `${x(point.seconds)},${y(point.iops)}`).join(' ');
  const limits = steps.map(
    ({ fromSeconds, untilSeconds, iops }) =>
      `<path d="M${x(fromSeconds)} ${y(iops)}H${x(untilSeconds)}" ${dashed}/>` +
      `<text x="${x(fromSeconds)}" y="${(y(iops) - 5).toFixed(1)}" fill="#d1602b">${iops} IOPS</text>`,
  );
  const ticks = Array.from({ length: Math.floor(seconds) + 1 }, (_, second) => second);
  const axis = ticks.map(
    (second) => `<text x="${x(second)}" y="${size.height - 20}" text-anchor="middle">${second}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" ${font}>`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="${size.left}" y="20" font-size="13">${title}</text>`,
    `<path d="M${x(0)} ${y(0)}H${x(seconds)}" stroke="#999"/>`,
    ...axis,
    `<text x="${size.width / 2}" y="${size.height - 5}" text-anchor="middle">seconds</text>`,
    ...limits,
    `<polyline points="${line}" fill="none" stroke="#1b6ca8" stroke-width="1.2"/>`,
    '</svg>',
    '',
  ].join('\n');
}
