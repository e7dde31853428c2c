import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nodeCommand } from '../../../src/base/node-command.js';

describe('nodeCommand', () => {
  it('is the program alone where it was started as such, by whatever name', () => {
    for (const argv0 of ['node', '/usr/bin/node', './node']) {
      const words = [argv0, 'ballast.js', 'serve', '--volume', 'node', ''];
      expect(nodeCommand({ execPath: '/usr/bin/node', argv0, words })).toEqual(['/usr/bin/node']);
    }
  });

  it('is the loader, its options and the program where the loader was started', () => {
    const execPath = '/program/lib/ld.so';
    const before = ['lib/ld.so', '--library-path', '/program/lib'];
    const words = [...before, 'program/node', 'ballast.js', 'attach', 'program/node', ''];
    expect(nodeCommand({ execPath, argv0: 'program/node', words })).toEqual([
      execPath,
      '--library-path',
      '/program/lib',
      `${process.cwd()}/program/node`,
    ]);
  });

  it('is the program where the command line cannot be told', () => {
    const words = ['a title that the process has given itself', ''];
    expect(nodeCommand({ execPath: '/usr/bin/node', argv0: 'node', words })).toEqual(['/usr/bin/node']);
  });

  it('starts a Node.js again that starts a Node.js', () => {
    const [program, ...before] = nodeCommand();
    const { stdout } = spawnSync(program, [...before, '-p', '6 * 7'], { encoding: 'utf8', cwd: '/' });
    expect(stdout).toBe('42\n');
    expect(existsSync(program)).toBe(true);
  });
});
