import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomically } from '../../../src/base/atomic-file.js';
import { hostIdentity } from '../../../src/base/identity.js';
import { volumeIdentities } from '../../../src/base/volume-identities.js';
import { parseVolumeOption } from '../../../src/base/volume-spec.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ballast-state-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('writeFileAtomically', () => {
  it('leaves only the file', async () => {
    await writeFileAtomically(join(directory, 'a'), 'one');
    await writeFileAtomically(join(directory, 'a'), 'two');
    expect(await readFile(join(directory, 'a'), 'utf8')).toBe('two');
    expect(await readdir(directory)).toEqual(['a']);
  });
});

describe('volumeIdentities', () => {
  const specs = ['f=file:/f', 'm=mem:1M'].map(parseVolumeOption);

  it('refuses a damaged state file and leaves it as it is', async () => {
    for (const text of [
      '{',
      '{"version":2,"volumes":{}}',
      '{"version":1,"volumes":{"f":{"subsystemUuid":"x"}}}',
    ]) {
      await writeFile(join(directory, 'volumes.json'), text);
      await expect(volumeIdentities(directory, specs)).rejects.toMatchObject({ code: 'STATE_DIRECTORY' });
      expect(await readFile(join(directory, 'volumes.json'), 'utf8')).toBe(text);
    }
  });

  it('refuses a state directory that cannot be made', async () => {
    await writeFile(join(directory, 'file'), '');
    const below = volumeIdentities(join(directory, 'file', 'state'), specs);
    await expect(below).rejects.toMatchObject({ code: 'STATE_DIRECTORY' });
  });

  it('keeps NQNs and the UUIDs of files over a restart; memory gets a new UUID', async () => {
    const [file, memory] = await volumeIdentities(directory, specs);
    const [fileAgain, memoryAgain] = await volumeIdentities(directory, specs);
    expect(file?.nqn).toMatch(/^nqn\.2026-11\.dev\.ballast:volume:[0-9a-f-]{36}$/);
    expect(fileAgain).toEqual(file);
    expect(memoryAgain?.nqn).toBe(memory?.nqn);
    expect(memoryAgain?.uuid).not.toBe(memory?.uuid);
  });

  it('keeps volumes that are not served this time', async () => {
    const [file] = await volumeIdentities(directory, specs);
    await volumeIdentities(directory, [parseVolumeOption('other=mem:1M')]);
    expect((await volumeIdentities(directory, specs))[0]).toEqual(file);
  });

  it('takes the NQN and the UUID of the spec', async () => {
    const uuid = '11111111-2222-3333-4444-555555555555';
    const given = parseVolumeOption(`m=mem:1M,nqn=nqn.2026-11.dev.x:s,uuid=${uuid}`);
    expect(await volumeIdentities(directory, [given])).toEqual([{ nqn: 'nqn.2026-11.dev.x:s', uuid }]);
  });
});

describe('hostIdentity', () => {
  const uuid = '11111111-2222-3333-4444-555555555555';

  it('refuses a malformed host NQN of the system', async () => {
    await writeFile(join(directory, 'hostnqn'), 'nonsense\n');
    const asked = hostIdentity({ systemDirectory: directory, stateDirectory: join(directory, 'state') });
    await expect(asked).rejects.toMatchObject({ code: 'INVALID_NQN' });
  });

  it('uses the identity of the system, with the identifier of its NQN where there is no hostid', async () => {
    const hostNqn = `nqn.2014-08.org.nvmexpress:uuid:${uuid}`;
    await writeFile(join(directory, 'hostnqn'), `${hostNqn}\n`);
    const places = { systemDirectory: directory, stateDirectory: join(directory, 'state') };
    expect(await hostIdentity(places)).toEqual({ hostNqn, hostId: uuid });
    await writeFile(join(directory, 'hostid'), '99999999-2222-3333-4444-555555555555\n');
    expect((await hostIdentity(places)).hostId).toBe('99999999-2222-3333-4444-555555555555');
  });

  it('makes one once and keeps it', async () => {
    await mkdir(join(directory, 'none'));
    const places = { systemDirectory: join(directory, 'none'), stateDirectory: join(directory, 'state') };
    const made = await hostIdentity(places);
    expect(made.hostNqn).toBe(`nqn.2014-08.org.nvmexpress:uuid:${made.hostId}`);
    expect(await hostIdentity(places)).toEqual(made);
  });
});
