// What has to be known of a volume on this node after its call has ended: a file for each, by the hash of its
// id, replaced as a whole. Written before what it tells of is begun, so that whoever comes after a crash
// knows what may be half done. Nothing of a map of a request is in it but names of pods.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { writeFileAtomically } from '../../base/atomic-file.js';
import { StateDirectoryError } from '../../base/errors.js';

const recordVersion = 1;

const Pod = Type.Object({ uid: Type.String(), namespace: Type.String(), name: Type.String() });

const Use = Type.Object({
  access: Type.Union([Type.Literal('mount'), Type.Literal('block')]),
  /** Empty: whichever there is, else ext4. */
  fsType: Type.String(),
  /** Mount flags may hold a secret: their hash. */
  flagsHash: Type.String(),
  /** By its access mode nobody may write. */
  reader: Type.Boolean(),
});

const Publication = Type.Object({
  targetPath: Type.String(),
  mode: Type.String(),
  readOnly: Type.Boolean(),
  use: Use,
  pod: Type.Optional(Pod),
});

const VolumeRecord = Type.Object({
  volumeId: Type.String(),
  /** Not there: nothing is staged. Of an ephemeral volume there is none either. */
  stagingPath: Type.Optional(Type.String()),
  use: Type.Optional(Use),
  /** UUID of the namespace; differs from the id for ephemeral volumes, and is not known until one is made. */
  uuid: Type.Optional(Type.String()),
  /** The name of a volume that lives as long as its pod. */
  ephemeralName: Type.Optional(Type.String()),
  /**
   * We have begun to make this file system on the namespace of that UUID, and never mounted it: it may be
   * made again. Taken away when mkfs has ended well.
   */
  formatting: Type.Optional(
    Type.Object({ namespaceUuid: Type.String(), fileSystemUuid: Type.String(), type: Type.String() }),
  ),
  publications: Type.Array(Publication),
});

const RecordFile = Type.Intersect([Type.Object({ version: Type.Literal(recordVersion) }), VolumeRecord]);

export type PodName = Static<typeof Pod>;
export type RecordedUse = Static<typeof Use>;
export type Publication = Static<typeof Publication>;
export type VolumeRecord = Static<typeof VolumeRecord>;

export class VolumeRecords {
  readonly #directory: string;

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'volumes');
  }

  async find(volumeId: string): Promise<VolumeRecord | undefined> {
    const found = await this.#read(this.#pathOf(volumeId));
    // Two ids of one hash do not happen; a file that was copied does.
    return found?.volumeId === volumeId ? found : undefined;
  }

  async put(record: VolumeRecord): Promise<void> {
    const path = this.#pathOf(record.volumeId);
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await writeFileAtomically(path, `${JSON.stringify({ version: recordVersion, ...record })}\n`, 0o600);
    } catch (cause) {
      throw new StateDirectoryError(path, 'cannot be written', { cause });
    }
  }

  async remove(volumeId: string): Promise<void> {
    await rm(this.#pathOf(volumeId), { force: true });
  }

  async list(): Promise<readonly VolumeRecord[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const records: VolumeRecord[] = [];
    for (const name of names.filter((one) => one.endsWith('.json'))) {
      const record = await this.#read(join(this.#directory, name)).catch(() => undefined);
      if (record !== undefined) records.push(record);
    }
    return records;
  }

  async #read(path: string): Promise<VolumeRecord | undefined> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new StateDirectoryError(path, 'cannot be read', { cause });
    }
    // Not taken for absent: whether formatting was begun would be forgotten.
    const { version: _, ...record } = decode(path, text);
    return record;
  }

  #pathOf(volumeId: string): string {
    return join(this.#directory, `${createHash('sha256').update(volumeId).digest('hex')}.json`);
  }
}

function decode(path: string, text: string): Static<typeof RecordFile> {
  try {
    return Value.Decode(RecordFile, JSON.parse(text));
  } catch (cause) {
    throw new StateDirectoryError(path, 'is damaged, or of a later version', { cause });
  }
}
