// The Identity service: which driver this is, what it has, and whether its daemon answers.
import { DomainError } from '../base/errors.js';
import type { Handlers } from '../rpc/handlers.js';
import type { IdentityService, PluginCapabilityServiceType } from './messages.js';
import type { Storage } from './storage.js';

export const driverNameDefault = 'csi.ballast.dev';

export interface IdentityOptions {
  readonly driverName: string;
  readonly version: string;
  readonly services: readonly PluginCapabilityServiceType[];
  /** Absent on a node alone: that one can work without the daemon, and to be not ready would end it. */
  readonly storage?: Pick<Storage, 'node'>;
}

export function identity({
  driverName,
  version,
  services,
  storage,
}: IdentityOptions): Handlers<IdentityService> {
  return {
    GetPluginInfo: async () => ({ name: driverName, vendorVersion: version }),
    GetPluginCapabilities: async () => ({
      capabilities: [
        ...services.map((type) => ({ service: { type } })),
        { volumeExpansion: { type: 'ONLINE' as const } },
      ],
    }),
    // A daemon that is not there is no reason to start this process again.
    Probe: async () => ({ ready: { value: storage === undefined || (await answers(storage)) } }),
  };
}

async function answers(storage: Pick<Storage, 'node'>): Promise<boolean> {
  try {
    await storage.node();
    return true;
  } catch (error) {
    if (error instanceof DomainError) return false;
    throw error;
  }
}
