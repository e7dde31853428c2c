// Where members of a mirrored volume are, beside what the command line says: those that were added while it
// was served, and those that were removed and may still be named there. Key mirror-places/NAME of the store
// (docs/formats/mirror-record.md). Who a member is says the record alone.
import { formatTcp } from '../base/address.js';
import { isFields, parseFields } from '../base/json-fields.js';
import { MirrorConflictError, MirrorRecordError } from '../base/mirror-errors.js';
import { type MirrorMemberSpec, parseMirrorMember } from '../base/mirror-spec.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { Store } from '../store/types.js';

/** The name of a replica of this daemon, or the address of another's. */
export type Place = Exclude<MirrorMemberSpec, { readonly kind: 'device' }>;

export interface MirrorPlaces {
  /** By the UUID of the replica. */
  readonly added: ReadonlyMap<string, Place>;
  /** Of replicas: the latest last. */
  readonly removed: readonly string[];
}

export const noPlaces: MirrorPlaces = { added: new Map(), removed: [] };
/** More are forgotten: they have to be taken from the command line before. */
export const removedMax = 64;
const prefix = 'mirror-places/';

export function placeText(place: Place): string {
  if (place.kind === 'replica') return place.name;
  return `${formatTcp(place.address)}/nqn.2026-11.dev.ballast:replica:${place.uuid}`;
}

/** What is known of those that were removed before goes. */
export function withAdded({ added, removed }: MirrorPlaces, uuid: string, place: Place): MirrorPlaces {
  const kept = [...added].filter(([one]) => !removed.includes(one));
  return { added: new Map([...kept, [uuid, place]]), removed: removed.filter((one) => one !== uuid) };
}

export function withRemoved({ added, removed }: MirrorPlaces, uuid: string): MirrorPlaces {
  return { added, removed: [...removed.filter((one) => one !== uuid), uuid].slice(-removedMax) };
}

/** It was to be removed, and is a member still. */
export function withKept({ added, removed }: MirrorPlaces, uuid: string): MirrorPlaces {
  return { added, removed: removed.filter((one) => one !== uuid) };
}

export class PlacesStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async get(name: string): Promise<MirrorPlaces> {
    const found = await this.#store.get(prefix + name);
    return found === undefined ? noPlaces : decode(name, found.value);
  }

  /** Answers what it was changed to. */
  async change(name: string, change: (places: MirrorPlaces) => MirrorPlaces): Promise<MirrorPlaces> {
    const key = prefix + name;
    const found = await this.#store.get(key);
    const next = change(found === undefined ? noPlaces : decode(name, found.value));
    const { ok } = await this.#store.commit(
      [{ key, revision: found?.revision ?? 0n }],
      [{ type: 'put', key, value: encode(next) }],
    );
    if (!ok) throw new MirrorConflictError(name, 'where its members are was changed by somebody else');
    return next;
  }
}

function encode({ added, removed }: MirrorPlaces): Uint8Array {
  const places = Object.fromEntries([...added].map(([uuid, place]) => [uuid, placeText(place)]));
  return Buffer.from(JSON.stringify({ version: 1, added: places, removed }));
}

function decode(name: string, value: Uint8Array): MirrorPlaces {
  const fields = parseFields(value);
  const { version, added, removed } = fields ?? {};
  const isWhole = isFields(added) && Array.isArray(removed) && removed.every(isUuid);
  if (version !== 1 || !isWhole) throw damaged(name);
  return {
    added: new Map(Object.entries(added).map(([uuid, text]) => [uuid, decodePlace(name, uuid, text)])),
    removed,
  };
}

function decodePlace(name: string, uuid: string, text: unknown): Place {
  if (!isUuid(uuid) || typeof text !== 'string') throw damaged(name);
  const place = parseMirrorMember(text, () => damaged(name));
  if (place.kind === 'device') throw damaged(name);
  return place;
}

function damaged(name: string): MirrorRecordError {
  return new MirrorRecordError(name, 'of where its members are is damaged');
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && uuidPattern.test(value);
}
