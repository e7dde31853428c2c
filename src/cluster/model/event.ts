// What happened in a cluster, for people: a line each, kept in the store for a while. Nothing decides by
// them.
import { encodeRecord, RecordReader } from './record-reader.js';

export const eventLevels = ['info', 'warning', 'error'] as const;
export type EventLevel = (typeof eventLevels)[number];

export const eventSubjects = ['cluster', 'node', 'volume', 'replica', 'pool'] as const;
export type EventSubject = (typeof eventSubjects)[number];

export interface ClusterEvent {
  /** ISO 8601, UTC, of the clock of whoever wrote it. */
  readonly at: string;
  readonly level: EventLevel;
  readonly subject: EventSubject;
  /** Of the subject; empty of the cluster. */
  readonly name: string;
  /** What kind of thing happened: NodeLost, VolumeDegraded. */
  readonly reason: string;
  readonly text: string;
}

/** So many are kept; the oldest go first. */
export const eventsMax = 1_000;
/** Apart from the records of the cluster: nodes watch those, and do nothing by these. */
export const eventsPrefix = 'events/';
const version = 1;
const reasonPattern = /^[A-Z][A-Za-z]{0,62}$/;
const eventNamePattern = /^[\x20-\x7e]{0,128}$/;
const textCharactersMax = 1_024;

/** In the order of their time. `unique`: tells two of one moment apart, letters and digits. */
export function eventKey({ at }: ClusterEvent, unique: string): string {
  return `${eventsPrefix}${at}-${unique}`;
}

/** Keys to be deleted, at most `count`, so that no more than `eventsMax` are left; `keys` in their order. */
export function eventsToForget(keys: readonly string[], count: number): readonly string[] {
  return keys.slice(0, Math.min(count, Math.max(0, keys.length - eventsMax)));
}

export function encodeEvent(event: ClusterEvent): Uint8Array {
  return encodeRecord(version, { ...event, text: event.text.slice(0, textCharactersMax) });
}

/** `key` is for the error. */
export function decodeEvent(key: string, value: Uint8Array): ClusterEvent {
  const reader = RecordReader.of(key, value, version);
  const event = {
    at: reader.time('at'),
    level: reader.oneOf('level', eventLevels),
    subject: reader.oneOf('subject', eventSubjects),
    name: reader.text('name', eventNamePattern),
    reason: reader.text('reason', reasonPattern),
    text: reader.words('text', textCharactersMax),
  };
  reader.end();
  return event;
}
