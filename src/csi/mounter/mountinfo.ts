// /proc/self/mountinfo (proc(5)): fields with spaces between, those after a lone dash of the file system. A
// space, tab, newline or backslash within a field is written as three octal digits.
import type { Mount } from './types.js';

export function parseMountinfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const mount = parseLine(line);
    return mount === undefined ? [] : [mount];
  });
}

function parseLine(line: string): Mount | undefined {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [, , device, , mountPoint, options] = fields;
  const [fsType, , superOptions] = fields.slice(dash + 1);
  if (dash < 0 || device === undefined || mountPoint === undefined || options === undefined) return undefined;
  if (fsType === undefined || superOptions === undefined) return undefined;
  return {
    mountPoint: unescaped(mountPoint),
    device,
    fsType,
    options: options.split(','),
    superOptions: superOptions.split(','),
  };
}

function unescaped(field: string): string {
  if (!field.includes('\\')) return field;
  // Octal escapes are of bytes, and the rest may be of several bytes a character.
  const bytes = Buffer.from(field, 'utf8').toString('latin1');
  const plain = bytes.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(plain, 'latin1').toString('utf8');
}
