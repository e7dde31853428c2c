// A key management system for tests: a shell script, or one that wraps by AES-256-GCM with keys in a
// directory, of which the newest is current.
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

let made = 0;

/** Without a script it does its work, with the keys of newSystemKey(). Resolves with its path. */
export async function writeKeyCommand(directory: string, script?: string): Promise<string> {
  made += 1;
  const path = join(directory, `key-command-${made}`);
  if (script === undefined) {
    newSystemKey(directory);
    await writeFile(path, `#!${process.execPath}\n${system(join(directory, 'system'))}`);
  } else {
    await writeFile(path, `#!/bin/sh\n${script}\n`);
  }
  await chmod(path, 0o700);
  return path;
}

/** What an admin of the system does before a rotation. */
export function newSystemKey(directory: string): string {
  mkdirSync(join(directory, 'system'), { recursive: true });
  const key = randomBytes(32);
  made += 1;
  const id = `${String(made).padStart(6, '0')}-${createHash('sha256').update(key).digest('hex').slice(0, 8)}`;
  writeFileSync(join(directory, 'system', id), key);
  return id;
}

const system = (keys: string) => `
const { createCipheriv, createDecipheriv, randomBytes } = require('node:crypto');
const { readFileSync, readdirSync } = require('node:fs');
const asked = JSON.parse(readFileSync(0, 'utf8'));
const answer = (value) => console.log(JSON.stringify(value));
try {
  if (asked.operation === 'wrap') {
    const keyId = readdirSync('${keys}').sort().at(-1);
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', readFileSync('${keys}/' + keyId), iv);
    const body = Buffer.concat([cipher.update(asked.key, 'base64'), cipher.final()]);
    answer({ keyId, wrapped: Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64') });
  } else {
    const bytes = Buffer.from(asked.wrapped, 'base64');
    const cipher = createDecipheriv(
      'aes-256-gcm', readFileSync('${keys}/' + asked.keyId), bytes.subarray(0, 12));
    cipher.setAuthTag(bytes.subarray(12, 28));
    const key = Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()]);
    answer({ key: key.toString('base64') });
  }
} catch (error) {
  answer({ error: String(error.code ?? error.message) });
}
`;
