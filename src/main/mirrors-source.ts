// Mirrored volumes for those who look: a daemon without any has no service for them.
import { MirrorNotFoundError } from '../base/mirror-errors.js';
import type { MirrorService } from '../mirrors/mirror-service.js';

export function mirrorsSource(service: MirrorService | undefined): Pick<MirrorService, 'list' | 'get'> {
  if (service !== undefined) return service;
  return {
    list: async () => [],
    get: async (name) => {
      throw new MirrorNotFoundError(name);
    },
  };
}
