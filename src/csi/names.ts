// Names of CSI as names of the daemon, and ids. A name of CSI is any text of 128 bytes; one of the daemon is
// 1 to 63 letters, digits, dots, dashes or underscores. What CSI made has a name that nobody chooses by
// chance, so that no volume of an administrator is ever taken for one of CSI. Two names of CSI never become
// one.
import { createHash } from 'node:crypto';
import { uuidPattern } from '../base/volume-spec.js';

const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,58}$/;
const hashPattern = /^[A-Za-z0-9_-]{43}$/;
const groupPrefix = 'csi.g.';
const clonePrefix = 'csi.c.';
const ephemeralPrefix = 'csi.e.';

/** Of a volume or a snapshot: `csi-pvc-...` as Kubernetes calls it, `csi.HASH` of what does not fit. */
export function storageName(name: string): string {
  return plainName.test(name) ? `csi-${name}` : `csi.${hash(name)}`;
}

/** The name that the snapshots of a group have, each in its volume. */
export function groupSnapshotName(groupId: string): string {
  return `${groupPrefix}${groupId}`;
}

/** The snapshot that lives while a volume is cloned. `name`: of the volume that is made. */
export function cloneSnapshotName(name: string): string {
  return `${clonePrefix}${hash(name)}`;
}

export function isCloneSnapshot(snapshot: string): boolean {
  return snapshot.startsWith(clonePrefix);
}

/** The volume that lives as long as a pod. `id`: what the node calls it. */
export function ephemeralName(id: string): string {
  return `${ephemeralPrefix}${hash(id)}`;
}

/** The id of the group that a snapshot is of, by its name. */
export function groupIdOf(snapshot: string): string | undefined {
  if (!snapshot.startsWith(groupPrefix)) return undefined;
  const id = snapshot.slice(groupPrefix.length);
  return isGroupId(id) ? id : undefined;
}

/** The same for the same name, so that a group is made once. */
export function groupIdFor(name: string): string {
  return hash(name);
}

export function isGroupId(text: string): boolean {
  return hashPattern.test(text);
}

/** The UUID that the daemon gave: another volume of the same name has another id. */
export function isVolumeId(text: string): boolean {
  return uuidPattern.test(text);
}

export interface SnapshotId {
  readonly volumeUuid: string;
  readonly uuid: string;
}

export function formatSnapshotId({ volumeUuid, uuid }: SnapshotId): string {
  return `${volumeUuid}_${uuid}`;
}

export function parseSnapshotId(text: string): SnapshotId | undefined {
  const [volumeUuid = '', uuid = '', ...more] = text.split('_');
  return isVolumeId(volumeUuid) && isVolumeId(uuid) && more.length === 0 ? { volumeUuid, uuid } : undefined;
}

function hash(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('base64url');
}
