// Lists in pages. Entries are in the order of their creation, so that what is made between two pages is on a
// later one; a token says after which entry to go on, so that it stays good when that entry is deleted.
import { RpcError } from '../rpc/status.js';
import { invalid } from './checks.js';

export interface Page<T> {
  readonly entries: readonly T[];
  readonly nextToken: string;
}

export interface PageWanted {
  readonly maxEntries: number;
  readonly startingToken: string;
}

interface Place {
  readonly created?: string | undefined;
  readonly uuid: string;
}

/** Also where the caller sets no bound: what gRPC takes as a message holds twice that. */
const entriesMax = 10_000;
const tokenPattern = /^\d{4}-[0-9T:.-]{5,20}Z~[0-9a-f-]{36}$/;

export function pageOf<T>(
  items: readonly T[],
  placeOf: (item: T) => Place,
  { maxEntries, startingToken }: PageWanted,
): Page<T> {
  if (maxEntries < 0) throw invalid('maxEntries', '0 or more');
  if (startingToken !== '' && !tokenPattern.test(startingToken)) {
    throw new RpcError('ABORTED', 'starting_token: expected one that was given as next_token');
  }
  const sorted = items
    .map((item) => ({ item, key: keyOf(placeOf(item)) }))
    .filter(({ key }) => key > startingToken)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const taken = sorted.slice(0, maxEntries === 0 ? entriesMax : Math.min(maxEntries, entriesMax));
  return {
    entries: taken.map(({ item }) => item),
    nextToken: taken.length < sorted.length ? (taken.at(-1)?.key ?? '') : '',
  };
}

function keyOf({ created = '1970-01-01T00:00:00.000Z', uuid }: Place): string {
  return `${created}~${uuid}`;
}
