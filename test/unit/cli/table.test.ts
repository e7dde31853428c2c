import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderFields, renderTable } from '../../../src/cli/table.js';

const columns = [
  { title: 'name', value: (row: { name: string; size: string }) => row.name },
  { title: 'size', value: (row: { name: string; size: string }) => row.size, align: 'right' as const },
];

describe('renderTable', () => {
  it('pads columns with spaces, aligns numbers right and leaves no space at the end', () => {
    const rows = [
      { name: 'a', size: '1' },
      { name: 'longer', size: '1000000' },
    ];
    expect(renderTable(columns, rows)).toBe(
      ['NAME        SIZE', 'a              1', 'longer   1000000', ''].join('\n'),
    );
  });

  it('prints the header alone where there are no rows', () => {
    expect(renderTable(columns, [])).toBe('NAME   SIZE\n');
  });

  it('colours only when asked', () => {
    expect(renderTable(columns, [], true)).toContain('\x1b[1m');
    expect(renderTable(columns, [], false)).not.toContain('\x1b');
  });

  it('makes one line of each row, whatever a target put into it', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ name: fc.string({ unit: 'binary' }), size: fc.string() })), (rows) => {
        const text = renderTable(columns, rows);
        expect(text.split('\n')).toHaveLength(rows.length + 2);
        expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
      }),
    );
  });
});

describe('renderFields', () => {
  it('aligns values', () => {
    expect(
      renderFields([
        ['a', '1'],
        ['long', '2'],
      ]),
    ).toBe('a      1\nlong   2\n');
  });
});
