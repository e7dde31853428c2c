// A store that keeps nothing: for tests, and for what has no state directory.
import { type Clock, systemClock } from '../../base/clock.js';
import { RevisionStore } from '../revision-store.js';
import type { Store } from '../types.js';

export function openMemoryStore(clock: Clock = systemClock): Store {
  return new RevisionStore({ write: async () => undefined, close: async () => undefined }, clock);
}
