// The cases of cases/*.sh as their header comments describe them: "# case: TEXT", "# variants: A B", "#
// short" (or "# short: A"), "# beyond-nvmet" (or "# beyond-nvmet: A": the kernel's own target cannot do it,
// see --self-check), "# program" (the program and disks for a pool are in the guest), "# limit: SECONDS". One
// variant of one file is one case.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

function header(text, key) {
  const match = new RegExp(`^# ${key}(?:: *(.*))?$`, 'm').exec(text);
  return match ? (match[1] ?? '').trim() : undefined;
}
const words = (text) => (text ? text.split(/\s+/) : []);
/** A mark without variants holds for all of them. */
const marked = (mark, variant) => mark !== undefined && (mark === '' || words(mark).includes(variant));

/** In the order of file names: each case has a target of its own, so any order will do. */
export function readCases(directory) {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.sh'))
    .sort()
    .flatMap((name) => {
      const text = readFileSync(join(directory, name), 'utf8');
      const title = header(text, 'case');
      if (!title) throw new Error(`${name} has no "# case:" line`);
      const variants = words(header(text, 'variants'));
      return (variants.length > 0 ? variants : ['-']).map((variant) => ({
        file: basename(name, '.sh'),
        variant,
        title: variant === '-' ? title : `${title} ${variant}`,
        beyondNvmet: marked(header(text, 'beyond-nvmet'), variant),
        needsProgram: header(text, 'program') !== undefined,
        limitSeconds: Number(header(text, 'limit') ?? 120),
        short: marked(header(text, 'short'), variant),
      }));
    });
}
