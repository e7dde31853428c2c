import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOut, prune, readResult, writeResult } from '../../../bench/lib/results.mjs';
import { latencySvg } from '../../../bench/lib/svg.mjs';
import { makeResult, run } from './documents.js';

/** The names of all elements, in order; throws where the text is not well-formed. */
function elementsOf(svg: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  const tag = /<(\/?)([a-z]+)((?: [a-zA-Z-]+="[^"<>&]*")*)( ?\/?)>/y;
  for (let at = 0; at < svg.length; ) {
    if (svg[at] !== '<') {
      const end = svg.indexOf('<', at) === -1 ? svg.length : svg.indexOf('<', at);
      const text = svg.slice(at, end).replace(/&(?:lt|gt|amp|quot);/g, '');
      if (/[<>&]/.test(text)) throw new Error(`bare character in '${text}'`);
      at = end;
      continue;
    }
    tag.lastIndex = at;
    const match = tag.exec(svg);
    if (match === null) throw new Error(`no tag: ${svg.slice(at, at + 60)}`);
    const [whole, closing, name = '', , self] = match;
    if (closing) {
      if (open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    } else {
      names.push(name);
      if (self !== '/') open.push(name);
    }
    at += whole.length;
  }
  if (open.length > 0) throw new Error(`open: ${open}`);
  return names;
}

const count = (names: string[], name: string) => names.filter((one) => one === name).length;

describe('latencySvg', () => {
  it('is well-formed whatever the machine is called, with a line and its points for each queue depth', () => {
    const names = elementsOf(latencySvg(makeResult(() => [run(1000)])));
    expect(count(names, 'g')).toBe(1); // one kind of job
    expect(count(names, 'polyline')).toBe(3); // QD 1, 32, 128
    expect(count(names, 'circle')).toBe(3 * 4); // 50, 99, 99.9, max
  });

  it('draws the peer dashed, and the 90th percentile where a client tells it', () => {
    const withP90 = (iops: number) => {
      const one = run(iops);
      return { ...one, latencyUs: { ...one.latencyUs, p90: one.latencyUs.p50! * 2 } };
    };
    const svg = latencySvg(
      makeResult(
        () => [withP90(1000)],
        () => [withP90(500)],
      ),
    );
    const names = elementsOf(svg);
    expect(count(names, 'polyline')).toBe(6);
    expect(svg.match(/<polyline[^>]*stroke-dasharray/g)).toHaveLength(3);
    expect(count(names, 'circle')).toBe(6 * 5);
  });

  it('puts a tenfold latency one power of ten higher, in every panel alike', () => {
    const svg = latencySvg(makeResult((qd) => [run(qd === 1 ? 100_000 : qd === 32 ? 10_000 : 1000)]));
    const heights = [...svg.matchAll(/<polyline points="[\d.]+,([\d.]+) /g)].map((match) => Number(match[1]));
    expect(heights).toHaveLength(3);
    const [first = 0, second = 0, third = 0] = heights;
    expect(first - second).toBeGreaterThan(0);
    expect(first - second).toBeCloseTo(second - third, 0);
    expect(svg).not.toContain('NaN');
  });

  it('is still a picture when nothing could be measured', () => {
    const svg = latencySvg(makeResult(() => [undefined]));
    expect(count(elementsOf(svg), 'polyline')).toBe(0);
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

describe('the files', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ballast-bench-results-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const put = (name: string) => writeFileSync(join(directory, name), '');

  it('are JSON and a picture, named by date and revision, and can be read again', () => {
    const document = makeResult(() => [run(1000)]);
    const paths = writeResult(document, undefined, join(directory, 'results'));
    expect(paths).toEqual(
      ['json', 'svg'].map((end) => join(directory, `results/2026-11-22-10-20-30-01234567.${end}`)),
    );
    expect(readResult(paths[0])).toEqual(JSON.parse(JSON.stringify(document)));
    expect(readFileSync(paths[1] ?? '', 'utf8')).toMatch(/^<svg /);
  });

  it('stay five, and what is not ours stays', () => {
    for (let day = 10; day < 18; ++day) {
      put(`2026-11-${day}-00-00-00-0123abcd.json`);
      put(`2026-11-${day}-00-00-00-0123abcd.svg`);
    }
    put('before.json');
    put('2026-11-01-note.md');
    prune(directory);
    expect(readdirSync(directory).sort()).toEqual(
      [13, 14, 15, 16, 17]
        .flatMap((day) => ['json', 'svg'].map((end) => `2026-11-${day}-00-00-00-0123abcd.${end}`))
        .concat('before.json', '2026-11-01-note.md')
        .sort(),
    );
  });

  it('that the user names is written, and nothing is removed beside it', () => {
    for (let day = 10; day < 18; ++day) put(`2026-11-${day}-00-00-00-0123abcd.json`);
    const out = join(directory, 'mine.json');
    checkOut(out);
    expect(
      writeResult(
        makeResult(() => [run(1)]),
        out,
      ),
    ).toEqual([out, join(directory, 'mine.svg')]);
    expect(readdirSync(directory)).toHaveLength(8 + 2);
  });

  it('that cannot be written are refused before anything is measured', () => {
    expect(() => checkOut(join(directory, 'no/such/place.json'))).toThrow('cannot be written (ENOENT)');
    expect(() => checkOut(directory)).toThrow('cannot be written (not a file)');
    expect(existsSync(join(directory, 'no'))).toBe(false);
    expect(() => checkOut(undefined)).not.toThrow();
  });
});
