// Adding and removing members of a mirrored volume that is served: what is asked for is checked, where the
// member is is remembered, the head does it, and it is waited for. One change of a volume at a time.
import type { Clock } from '../base/clock.js';
import { MirrorConflictError } from '../base/mirror-errors.js';
import { type MirrorMemberSpec, parseMirrorMember } from '../base/mirror-spec.js';
import type { MirrorInfo, ReplicaInfo } from '../native/mirror-types.js';
import type { Member } from './membership.js';
import { checkReplicasFit, placeOf, reachOf } from './membership.js';
import { type Place, type PlacesStore, withAdded, withKept, withRemoved } from './places.js';
import type { MirrorsEngine } from './types.js';

/** A change that takes longer goes on, and is no more waited for. */
export const changeTimeoutMs = 30_000;
const pollMs = 50;

export interface MemberChangesOptions {
  readonly engine: MirrorsEngine;
  readonly places: PlacesStore;
  readonly clock: Clock;
  readonly find: (replica: string) => ReplicaInfo | undefined;
}

/** A volume as it is served, which a change leaves with other members. */
export interface ServedMembers {
  readonly name: string;
  readonly volumeUuid: string;
  members: readonly Member[];
}

export class MemberChanges {
  readonly #options: MemberChangesOptions;

  constructor(options: MemberChangesOptions) {
    this.#options = options;
  }

  /** `text`: the name of a replica of this daemon, or the address of another's. */
  async add(volume: ServedMembers, text: string): Promise<void> {
    const { name, volumeUuid } = volume;
    const { engine, places } = this.#options;
    const place = this.#parse(name, text);
    const member = this.#member(name, place);
    if (volume.members.some(({ uuid }) => uuid === member.uuid)) {
      throw new MirrorConflictError(name, `${placeOf(member)} is a member of it already`);
    }
    const { record } = await engine.mirrorInfo(name);
    checkReplicasFit(name, { volumeUuid, record }, [member]);
    const reach = await reachOf(member);
    // Before the record has it: who knows a member must know where it is.
    await places.change(name, (known) => withAdded(known, member.uuid, place));
    await engine.addMirrorMember(name, reach);
    await this.#wait(name, ({ record: { members } }) => members.some(({ uuid }) => uuid === member.uuid));
    volume.members = [...volume.members, member];
  }

  /** `which`: as for add(), or the UUID of the replica. */
  async remove(volume: ServedMembers, which: string): Promise<void> {
    const { name } = volume;
    const { engine, places } = this.#options;
    const member = volume.members.find((one) => isMeant(one, which));
    if (member === undefined) throw new MirrorConflictError(name, `'${which}' is no member of it`);
    await engine.removeMirrorMember(name, member.uuid);
    await places.change(name, (known) => withRemoved(known, member.uuid));
    try {
      await this.#wait(name, ({ record: { members } }) => !members.some(({ uuid }) => uuid === member.uuid));
    } catch (error) {
      await places.change(name, (known) => withKept(known, member.uuid));
      throw error;
    }
    volume.members = volume.members.filter((one) => one !== member);
  }

  /** Until the record has the size. */
  async grow(name: string, sizeBytes: bigint): Promise<void> {
    await this.#options.engine.growMirror(name, sizeBytes);
    const sizeOf = ({ record }: MirrorInfo) => record.blocksCount * BigInt(record.blockSizeBytes);
    await this.#wait(name, (info) => sizeOf(info) >= sizeBytes);
  }

  #parse(name: string, text: string): Place {
    const refuse = (reason: string) => new MirrorConflictError(name, reason);
    const spec: MirrorMemberSpec = parseMirrorMember(text, refuse);
    if (spec.kind !== 'device') return spec;
    throw refuse(
      `'${text}' is not kept yet: start this daemon with it as a --replica, and add it by its name`,
    );
  }

  #member(name: string, place: Place): Member {
    if (place.kind === 'remote') return { uuid: place.uuid, address: place.address };
    const replica = this.#options.find(place.name);
    if (replica === undefined) throw new MirrorConflictError(name, `there is no replica '${place.name}'`);
    return { uuid: replica.uuid, replica };
  }

  async #wait(name: string, isDone: (info: MirrorInfo) => boolean): Promise<void> {
    const { engine, clock } = this.#options;
    const untilMs = clock.steadyMs() + changeTimeoutMs;
    for (;;) {
      const info = await engine.mirrorInfo(name);
      if (isDone(info)) return;
      if (!info.changing) {
        throw new MirrorConflictError(
          name,
          info.changeTrouble ?? 'the change was given up, as members failed meanwhile; try again',
        );
      }
      if (clock.steadyMs() >= untilMs) {
        throw new MirrorConflictError(
          name,
          'the change is under way still: its record cannot be changed now',
        );
      }
      await new Promise<void>((resolve) => void clock.after(pollMs, resolve));
    }
  }
}

function isMeant({ uuid, replica, address }: Member, which: string): boolean {
  if (which === uuid || which === replica?.name) return true;
  if (address === undefined) return false;
  return which === placeOf({ uuid, address }) || which.endsWith(`:replica:${uuid}`);
}
