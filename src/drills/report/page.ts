// The report as one page that needs nothing else: no network, no other file. Everything a target or a disk
// may have said goes through escapeHtml().
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pageScript } from './page-script.js';
import { pageStyle } from './page-style.js';
import {
  type DrillReport,
  gapsOf,
  type RoundReport,
  type RunReport,
  resyncedBytesOf,
  verdictOf,
} from './report.js';

export async function reportPage(report: RunReport): Promise<string> {
  const [chart, chartStyle] = await Promise.all([library('uPlot.iife.min.js'), library('uPlot.min.css')]);
  const { drills, version, startedAt, nodes, store } = report;
  const title = `Ballast drills: ${drills.map(({ drill }) => drill).join(', ')}`;
  const where = `Ballast ${version}, ${nodes} nodes on one machine, store ${store}, begun ${startedAt}`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${chartStyle}${pageStyle}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(where)}</p>
${summary(drills)}
${drills.map(section).join('\n')}
<script type="application/json" id="data">${data(drills)}</script>
<script>${chart}</script>
<script>${pageScript}</script>
</body>
</html>
`;
}

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}

async function library(file: string): Promise<string> {
  return readFile(createRequire(import.meta.url).resolve(`uplot/dist/${file}`), 'utf8');
}

/** What the charts are made of. '<' would end the script. */
function data(drills: readonly DrillReport[]): string {
  const rounds = drills.flatMap((one) =>
    one.rounds.map(({ series, timeline }) => ({
      series,
      marks: timeline.filter(({ kind }) => kind === 'fault' || kind === 'heal'),
    })),
  );
  return JSON.stringify(rounds).replaceAll('<', '\\u003c');
}

function summary(drills: readonly DrillReport[]): string {
  const rows = drills.map((one) => {
    const gaps = gapsOf(one);
    const errors = one.rounds.reduce((sum, round) => sum + round.errors, 0);
    return row([
      `<a href="#${one.drill}">${one.drill}</a>`,
      badge(verdictOf(one)),
      `${one.rounds.length}`,
      gaps === undefined ? '' : `${ms(gaps.p50Ms)} / ${ms(gaps.p99Ms)} / ${ms(gaps.maxMs)}`,
      one.gapTargetMs === undefined ? '' : ms(one.gapTargetMs),
      `${errors}`,
      mib(resyncedBytesOf(one)),
    ]);
  });
  const titles = [
    'drill',
    'verdict',
    'rounds',
    'longest gap p50 / p99 / max',
    'promised',
    'errors',
    'resynced',
  ];
  return table(titles, rows);
}

function section(report: DrillReport, index: number, all: readonly DrillReport[]): string {
  const { drill, what, failures, members, skipped, rounds } = report;
  // Charts are numbered over all drills, as in data().
  const first = all.slice(0, index).reduce((sum, one) => sum + one.rounds.length, 0);
  return `<h2 id="${drill}">${drill} ${badge(verdictOf(report))}</h2>
<p>${escapeHtml(what)}</p>
${skipped === undefined ? '' : `<p>${escapeHtml(skipped)}</p>`}
${failures.map((text) => `<p class="failure">${escapeHtml(text)}</p>`).join('')}
${members === undefined ? '' : `<p>${escapeHtml(members.text)}</p>`}
${rounds.map((one, at) => roundSection(one, first + at, at === 0)).join('\n')}`;
}

function roundSection(one: RoundReport, chart: number, isOpen: boolean): string {
  const passed = one.failures.length === 0;
  const inSync = one.inSyncAfterMs === undefined ? 'never' : `${ms(one.inSyncAfterMs)} after the healing`;
  const facts = [
    ['operations', `${one.writes} writes and ${one.reads} reads in ${one.seconds.toFixed(1)} s`],
    ['errors', [`${one.errors}`, ...one.errorTexts].join('; ')],
    ['longest gap', `${ms(one.longestGapMs)}, at ${(one.longestGapAtMs / 1000).toFixed(2)} s`],
    ['slowest I/O', ms(one.longestIoMs)],
    ['in sync', inSync],
    ['resynced', mib(one.resyncedBytes)],
    ['blocks violated', `${one.blocksViolated}`],
    ['history', one.history],
  ] as const;
  const events = one.timeline.map(({ atMs, kind, text }) =>
    row([(atMs / 1000).toFixed(3), kind, escapeHtml(text)], kind),
  );
  return `<details${isOpen ? ' open' : ''} data-chart="${chart}">
<summary>round ${one.round}: ${badge(passed ? 'passed' : 'failed')}
 longest gap ${ms(one.longestGapMs)}</summary>
${one.failures.map((text) => `<p class="failure">${escapeHtml(text)}</p>`).join('')}
<div class="charts"></div>
${table(
  [],
  facts.map(([name, value]) => row([name, escapeHtml(value)])),
)}
${table(['s', '', 'what happened'], events)}
</details>`;
}

function table(titles: readonly string[], rows: readonly string[]): string {
  const head = titles.length === 0 ? '' : `<tr>${titles.map((title) => `<th>${title}</th>`).join('')}</tr>`;
  return `<table>${head}${rows.join('')}</table>`;
}

function row(cells: readonly string[], className?: string): string {
  const attribute = className === undefined ? '' : ` class="${className}"`;
  return `<tr${attribute}>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
}

function badge(verdict: string): string {
  return `<span class="badge ${verdict}">${verdict}</span>`;
}

function ms(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

function mib(bytes: number | undefined): string {
  return bytes === undefined ? 'not seen' : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
