// A volume as everybody outside of this room sees it. Plain data; its wrapped key is not in it.
import { volumeNqn } from '../base/nqn.js';
import type { VolumeEntry } from './registry.js';
import type { Keys } from './serving.js';
import type { VolumeView } from './types.js';

export function volumeView(volume: VolumeEntry, keys: Keys): VolumeView {
  const { pool, state, error, settings } = volume;
  const { wrappedKey, ...info } = volume.info;
  let keyId: string | undefined;
  try {
    if (wrappedKey?.length) keyId = keys.describe(wrappedKey).keyId;
  } catch {
    // Damaged: the state of the volume says so.
  }
  return {
    pool: pool.record.name,
    info,
    nqn: volumeNqn(info.uuid),
    state,
    encrypted: wrappedKey !== undefined,
    settings,
    ...(error !== undefined && { error }),
    ...(keyId !== undefined && { keyId }),
  };
}
