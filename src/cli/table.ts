// Tables as kubectl prints them: columns padded with spaces, no boxes, headers in capitals. Colour only when
// asked.
import pc from 'picocolors';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
}

const gap = '   ';

export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  color = false,
): string {
  const colors = pc.createColors(color);
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((row) => row[index]?.length ?? 0)),
  );
  const pad = (text: string, index: number) => {
    const width = widths[index] ?? 0;
    return columns[index]?.align === 'right' ? text.padStart(width) : text.padEnd(width);
  };
  const header = columns.map((column, index) => pad(column.title.toUpperCase(), index));
  const lines = [colors.bold(header.join(gap).trimEnd())];
  for (const row of cells) lines.push(row.map(pad).join(gap).trimEnd());
  return `${lines.join('\n')}\n`;
}

/** `name   value` lines of one object. */
export function renderFields(fields: readonly (readonly [string, string])[], color = false): string {
  const colors = pc.createColors(color);
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  return fields
    .map(([name, value]) => `${colors.bold(name.padEnd(width))}${gap}${printable(value)}\n`)
    .join('');
}

/** Text from a target or a disk must not move the cursor or forge a line. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
