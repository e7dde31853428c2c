// Mirrored volumes for the API: a daemon without any has no service for them.
import type { MirrorsSource } from '../api/routes/mirrors.js';
import { MirrorNotFoundError } from '../base/mirror-errors.js';
import type { MirrorService } from '../mirrors/mirror-service.js';

export function mirrorsSource(service: MirrorService | undefined): MirrorsSource {
  if (service !== undefined) return service;
  const none = async (name: string) => {
    throw new MirrorNotFoundError(name);
  };
  return {
    ...{ list: async () => [], get: none },
    ...{
      addMember: none,
      removeMember: none,
      startVerify: none,
      cancelVerify: none,
      resize: none,
      setResyncRate: none,
    },
    ...{ snapshot: none, snapshots: none, deleteSnapshot: none },
  };
}
