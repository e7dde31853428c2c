// The stages of a Dockerfile, as far as ours has them: COPY and RUN in their order, ARG, ENV and LABEL not.
import { readFileSync } from 'node:fs';

/**
 * @typedef {{ name: string, copies: { sources: string[], target: string, from?: string }[], runs: string[],
 *   instructions: { word: string, rest: string }[] }} Stage
 * @returns {Stage[]}
 */
export function readStages(path) {
  const text = readFileSync(path, 'utf8')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ');
  const stages = [];
  for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
    const [, word, rest] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    if (word === undefined) throw new Error(`${path}: not understood: ${line}`);
    if (word === 'FROM') stages.push({ name: rest, copies: [], runs: [], instructions: [] });
    const stage = stages.at(-1);
    stage.instructions.push({ word, rest });
    if (word === 'RUN') stage.runs.push(rest.trim());
    if (word === 'COPY') {
      const words = rest.split(/\s+/).filter(Boolean);
      const from = words[0].startsWith('--from=') ? words.shift().slice('--from='.length) : undefined;
      const target = words.pop();
      stage.copies.push({ sources: words, target, ...(from !== undefined && { from }) });
    }
  }
  return stages;
}
