// What volumes, replicas and mirrors of one `serve` may not share: checked before anything changes.
import { MirrorConflictError, ReplicaOpenError } from './mirror-errors.js';
import type { MirrorSpec } from './mirror-spec.js';
import type { ReplicaDevice, ReplicaSpec } from './replica-spec.js';
import type { VolumeSpec } from './volume-spec.js';

/** Beside a file that is a replica's data. */
export function metadataPath(path: string): string {
  return `${path}.replica`;
}

/** The replica that is made for a member of the form file: or pool:, under the name of the mirror. */
export function replicasMadeFor({ name, members, blockSizeBytes }: MirrorSpec): readonly ReplicaSpec[] {
  return members.flatMap((member) =>
    member.kind === 'device' ? [{ name, device: member.device, blockSizeBytes, allowedHosts: [] }] : [],
  );
}

export function checkMirrors(
  volumes: readonly VolumeSpec[],
  replicas: readonly ReplicaSpec[],
  mirrors: readonly MirrorSpec[],
): void {
  checkReplicas(volumes, replicas);
  const names = new Set(volumes.map(({ name }) => name));
  const uuids = new Set(volumes.flatMap(({ uuid = [] }) => uuid));
  const known = new Set(replicas.map(({ name }) => name));
  const memberOf = new Map<string, string>();
  for (const { name, members, uuid } of mirrors) {
    const refuse = (reason: string) => new MirrorConflictError(name, reason);
    if (names.has(name)) throw refuse('another volume of the command line has this name');
    names.add(name);
    if (uuid !== undefined && uuids.has(uuid)) throw refuse(`another volume has the uuid ${uuid}`);
    if (uuid !== undefined) uuids.add(uuid);
    for (const member of members) {
      if (member.kind === 'device') continue;
      if (member.kind === 'replica' && !known.has(member.name)) {
        throw refuse(`there is no --replica '${member.name}'`);
      }
      const key = member.kind === 'replica' ? `replica '${member.name}'` : `replica ${member.uuid}`;
      const other = memberOf.get(key);
      if (other !== undefined) throw refuse(`${key} is a member of mirror '${other}' already`);
      memberOf.set(key, name);
    }
  }
}

function checkReplicas(volumes: readonly VolumeSpec[], replicas: readonly ReplicaSpec[]): void {
  const names = new Set<string>();
  const uuids = new Set<string>();
  const owners = new Map<string, string>();
  for (const { name, device } of volumes) {
    if (device.kind === 'file') owners.set(device.path, `volume '${name}'`);
  }
  for (const { name, device, uuid } of replicas) {
    if (names.has(name)) throw new ReplicaOpenError(name, 'the name is given twice');
    names.add(name);
    if (uuid !== undefined && uuids.has(uuid))
      throw new ReplicaOpenError(name, `the uuid ${uuid} is given twice`);
    if (uuid !== undefined) uuids.add(uuid);
    for (const place of placesOf(device)) {
      const owner = owners.get(place);
      if (owner !== undefined) throw new ReplicaOpenError(name, `${place} belongs to ${owner}`);
      owners.set(place, `replica '${name}'`);
    }
  }
}

function placesOf(device: ReplicaDevice): readonly string[] {
  if (device.kind === 'file') return [device.path, metadataPath(device.path)];
  return [`volume '${device.volume}' of pool '${device.pool}'`];
}
