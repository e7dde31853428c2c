// Adds up what the runners report. Numbers come from JUnit files (ctest, vitest) or from a last line of our
// own form, never from a runner's prose.
import { existsSync, readFileSync } from 'node:fs';

const detailCharactersMax = 4000; // the end of it, where the failure is

/**
 * @typedef {{ passed: number, failed: number, skipped: number, failures: string[], skips: string[],
 *   details: { name: string, text: string }[] }} Counts  details: what failed tests printed
 */

/** @returns {Counts} */
export function noResults() {
  return { passed: 0, failed: 0, skipped: 0, failures: [], skips: [], details: [] };
}

/** @returns {Counts} */
export function one(name, ok, skipped = false) {
  if (skipped) return { ...noResults(), skipped: 1, skips: [name] };
  return ok ? { ...noResults(), passed: 1 } : { ...noResults(), failed: 1, failures: [name] };
}

/** @param {readonly Counts[]} all @returns {Counts} */
export function sum(all) {
  return all.reduce(
    (total, each) => ({
      passed: total.passed + each.passed,
      failed: total.failed + each.failed,
      skipped: total.skipped + each.skipped,
      failures: [...total.failures, ...each.failures],
      skips: [...total.skips, ...each.skips],
      details: [...total.details, ...each.details],
    }),
    noResults(),
  );
}

/** @param {string} xml a JUnit file @returns {Counts} */
export function parseJunit(xml) {
  const counts = noResults();
  for (const [, attributes = '', body = ''] of xml.matchAll(
    /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    const name = [attribute(attributes, 'classname'), attribute(attributes, 'name')];
    const title = [...new Set(name)].filter(Boolean).join(': ');
    const markup = body.replace(/<(system-out|system-err)\b[\s\S]*?<\/\1>/g, '');
    if (/<(?:failure|error)\b/.test(markup)) {
      counts.failed += 1;
      counts.failures.push(title);
      const output = /<system-out>([\s\S]*?)<\/system-out>/.exec(body)?.[1] ?? '';
      counts.details.push({ name: title, text: decode(output).trim().slice(-detailCharactersMax) });
    } else if (/<skipped\b/.test(markup)) {
      counts.skipped += 1;
      counts.skips.push(title);
    } else {
      counts.passed += 1;
    }
  }
  return counts;
}

function attribute(text, name) {
  const match = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(text);
  return decode(match?.[1] ?? '');
}

function decode(text) {
  const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, entity) => entities[entity]);
}

/** The file's numbers; a runner that failed without a failed test, or left no file, is one failure more. */
export function junitOf(step, file, status) {
  const counts = existsSync(file) ? parseJunit(readFileSync(file, 'utf8')) : noResults();
  const empty = counts.passed + counts.failed + counts.skipped === 0;
  if (empty || (status !== 0 && counts.failed === 0)) {
    return sum([counts, one(`${step}: ended with status ${status}${empty ? ' and no results' : ''}`, false)]);
  }
  return counts;
}

const statusSkipped = 77; // as automake has it: this machine cannot run them, and all are counted as skipped

/** Of a runner that ends with `N passed, N failed[, N skipped]`. @returns {Counts} */
export function lastLineOf(step, output, status) {
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  const match = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(last.trim());
  if (match === null) return one(`${step}: ended with status ${status} and no result line`, false);
  const [passed = 0, failed = 0, skipped = 0] = match.slice(1).map((text) => Number(text ?? 0));
  const counts = { ...noResults(), passed, failed, skipped };
  if (failed > 0) counts.failures.push(`${step}: ${failed} failed, named above`);
  if (skipped > 0) counts.skips.push(`${step}: ${skipped} skipped, named above`);
  if (failed === 0 && status !== 0 && status !== statusSkipped)
    return sum([counts, one(`${step}: ended with status ${status}`, false)]);
  return counts;
}

/** The line that continuous integration reads. */
export function resultLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
