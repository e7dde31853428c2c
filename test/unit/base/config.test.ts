import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigSchema, parseConfig, readConfig } from '../../../src/base/config.js';
import { resolveServeSettings } from '../../../src/base/settings.js';

const directories: string[] = [];
afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

describe('parseConfig', () => {
  it.each([
    ['listen: tcp://127.0.0.1:4420\n', 1, 'listen'],
    ['data: /x\n\nvolumes:\n  a: mem:1M\n  b: 7\n', 5, 'volumes.b'],
    ['data: /x\nvolume:\n  a: mem:1M\n', 2, 'volume: unexpected property'],
    ['listen: []\n', 1, 'listen'],
    ['reactors: -1\n', 1, 'reactors'],
    ['data: /x\ndata: /y\n', 2, 'unique'],
    ['data: [\n', 2, ''],
    ['- a\n', 1, 'the file'],
  ])('refuses %j and names line %d', (text, line, reason) => {
    expect(() => parseConfig(text, 'ballast.yaml')).toThrowError(
      expect.objectContaining({ code: 'INVALID_CONFIG', line, message: expect.stringContaining(reason) }),
    );
  });

  it('takes an empty file, YAML and JSON', () => {
    expect(parseConfig('', 'f')).toEqual({});
    expect(parseConfig('# nothing\n', 'f')).toEqual({});
    const config = { listen: ['tcp://[::]:4420'], spinUs: 50, volumes: { demo: 'mem:1M' } };
    expect(parseConfig(JSON.stringify(config), 'f')).toEqual(config);
    expect(parseConfig('spinUs: max\nvolumes: {demo: "mem:1M,block=512"}\n', 'f')).toEqual({
      spinUs: 'max',
      volumes: { demo: 'mem:1M,block=512' },
    });
  });
});

describe('docs/operations/configuration.md', () => {
  const page = readFileSync(new URL('../../../docs/operations/configuration.md', import.meta.url), 'utf8');

  it('has a row for every key', () => {
    for (const key of Object.keys(ConfigSchema.properties)) expect(page).toContain(`| \`${key}\` |`);
  });

  it('shows an example that is right', () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    const settings = resolveServeSettings({}, {}, parseConfig(example, 'example'));
    expect(settings.volumes.map(({ name }) => name)).toEqual(['demo', 'scratch']);
    expect(settings.listen).toHaveLength(2);
  });
});

describe('readConfig', () => {
  it('refuses a missing file by name', async () => {
    await expect(readConfig('/no/such/ballast.yaml')).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: '/no/such/ballast.yaml: cannot be read (ENOENT)',
    });
  });

  it('reads a file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'ballast-config-'));
    directories.push(directory);
    await writeFile(join(directory, 'c.yaml'), 'data: /srv\n');
    expect(await readConfig(join(directory, 'c.yaml'))).toEqual({ data: '/srv' });
  });
});
