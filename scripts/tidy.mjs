// `npm run tidy`: the rules of this code base that a program can check. Prints each finding as path:line:
// message. Every rule has a test that shows it failing, in test/unit/scripts.
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as nativeRules from './tidy/native-rules.mjs';
import * as sourceRules from './tidy/source-rules.mjs';
import * as textRules from './tidy/text-rules.mjs';
import { biome, clangFormat } from './tidy/tools.mjs';
import { readTree } from './tidy/tree.mjs';

const rules = [...Object.entries({ ...textRules, ...nativeRules, ...sourceRules, clangFormat, biome })];

/** @returns {{ name: string, skipped: boolean, findings: import('./tidy/tree.mjs').Finding[] }[]} */
export function runTidy(top) {
  const files = readTree(top);
  return rules.map(([name, rule]) => {
    const findings = rule(files, top);
    return { name, skipped: findings === undefined, findings: findings ?? [] };
  });
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === resolve(process.argv[1])) {
  const results = runTidy(resolve(dirname(fileURLToPath(import.meta.url)), '..'));
  for (const { name, skipped, findings } of results) {
    if (skipped) console.log(`${name}: skipped, its program is not installed`);
    for (const { path, line, message } of findings) console.log(`${path}:${line}: ${message} [${name}]`);
  }
  const failed = results.filter(({ findings }) => findings.length > 0).length;
  console.log(`${results.length - failed} rules hold, ${failed} broken`);
  process.exit(failed === 0 ? 0 : 1);
}
