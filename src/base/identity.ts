// Who this machine is to targets: the host NQN and host identifier that nvme-cli uses too, so that a target
// sees one host. Where /etc/nvme has none, a pair is made once and kept in the state directory.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.js';
import { StateDirectoryError } from './errors.js';
import { checkNqn } from './nqn.js';
import { uuidPattern } from './volume-spec.js';

export interface HostIdentity {
  readonly hostNqn: string;
  readonly hostId: string;
}

export interface IdentityPlaces {
  readonly systemDirectory: string;
  readonly stateDirectory: string;
}

export async function hostIdentity(places: IdentityPlaces): Promise<HostIdentity> {
  return (
    (await readIdentity(places.systemDirectory)) ??
    (await readIdentity(places.stateDirectory)) ??
    (await makeIdentity(places.stateDirectory))
  );
}

async function readIdentity(directory: string): Promise<HostIdentity | undefined> {
  const [hostNqn, hostId] = await Promise.all([
    readLine(join(directory, 'hostnqn')),
    readLine(join(directory, 'hostid')),
  ]);
  if (hostNqn === undefined) return undefined;
  checkNqn(hostNqn);
  const id = hostId ?? /uuid:([0-9a-f-]{36})$/i.exec(hostNqn)?.[1];
  return id !== undefined && uuidPattern.test(id) ? { hostNqn, hostId: id.toLowerCase() } : undefined;
}

async function makeIdentity(directory: string): Promise<HostIdentity> {
  const hostId = randomUUID();
  const hostNqn = `nqn.2014-08.org.nvmexpress:uuid:${hostId}`;
  try {
    await mkdir(directory, { recursive: true });
    await writeFileAtomically(join(directory, 'hostid'), `${hostId}\n`);
    await writeFileAtomically(join(directory, 'hostnqn'), `${hostNqn}\n`); // last: it makes the pair valid
  } catch (cause) {
    throw new StateDirectoryError(directory, 'the host identity cannot be written', { cause });
  }
  return { hostNqn, hostId };
}

async function readLine(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim() || undefined;
  } catch {
    return undefined;
  }
}
