// What names a volume across restarts: volumes.json in the state directory, name -> UUID of its NQN and UUID
// of its namespace. A file's namespace UUID stays, because its content does; a memory volume gets a new one
// at each start, so that no host trusts what it cached of the old content.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from './atomic-file.js';
import { StateDirectoryError } from './errors.js';
import { volumeNqn } from './nqn.js';
import { uuidPattern, type VolumeSpec } from './volume-spec.js';

interface StateFile {
  readonly version: 1;
  readonly volumes: Readonly<
    Record<string, { readonly subsystemUuid: string; readonly namespaceUuid: string }>
  >;
}

export interface VolumeIdentity {
  readonly nqn: string;
  readonly uuid: string;
}

/** A volume beside pools: of one device, or a mirrored one. */
export type NamedVolume = Pick<VolumeSpec, 'name' | 'nqn' | 'uuid'> & {
  readonly device: { readonly kind: VolumeSpec['device']['kind'] | 'mirror' };
};

/** Reads the state, completes it and writes what was added. Identities come in the order of `specs`. */
export async function volumeIdentities(
  stateDirectory: string,
  specs: readonly NamedVolume[],
): Promise<readonly VolumeIdentity[]> {
  const path = join(stateDirectory, 'volumes.json');
  const state = await readState(path);
  const volumes = { ...state.volumes };
  let changed = false;
  const identities = specs.map((spec) => {
    const kept = volumes[spec.name] ?? { subsystemUuid: randomUUID(), namespaceUuid: randomUUID() };
    if (volumes[spec.name] === undefined) changed = true;
    volumes[spec.name] = kept;
    const uuid = spec.uuid ?? (spec.device.kind === 'memory' ? randomUUID() : kept.namespaceUuid);
    return { nqn: spec.nqn ?? volumeNqn(kept.subsystemUuid), uuid };
  });
  if (changed) await writeState(stateDirectory, path, { version: 1, volumes });
  return identities;
}

async function readState(path: string): Promise<StateFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { version: 1, volumes: {} };
    throw new StateDirectoryError(path, 'cannot be read', { cause });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new StateDirectoryError(path, 'is not JSON; restore it or move it away', { cause });
  }
  if (!isStateFile(parsed)) {
    throw new StateDirectoryError(path, 'does not have the expected content; restore it or move it away');
  }
  return parsed;
}

// By hand: a library of schemas would be loaded for it at each start, before anything is served.
function isStateFile(value: unknown): value is StateFile {
  const isUuid = (text: unknown) => typeof text === 'string' && uuidPattern.test(text);
  if (!isObject(value) || value.version !== 1 || !isObject(value.volumes)) return false;
  return Object.values(value.volumes).every(
    (volume) => isObject(volume) && isUuid(volume.subsystemUuid) && isUuid(volume.namespaceUuid),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function writeState(directory: string, path: string, state: StateFile): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    await writeFileAtomically(path, `${JSON.stringify(state, null, 2)}\n`);
  } catch (cause) {
    throw new StateDirectoryError(path, 'cannot be written', { cause });
  }
}
