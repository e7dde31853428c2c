// The Node service: what it can do, and which function does it.
import type { Handlers } from '../../rpc/handlers.js';
import type { NodeService, NodeServiceCapabilityRPCType } from '../messages.js';
import type { Segments } from '../topology.js';
import { expandVolume } from './expand.js';
import type { NodeParts } from './parts.js';
import { publishVolume, unpublishVolume } from './publish.js';
import { stageVolume, unstageVolume } from './stage.js';
import { volumeStats } from './stats.js';

export const nodeCapabilities: readonly NodeServiceCapabilityRPCType[] = [
  'STAGE_UNSTAGE_VOLUME',
  'GET_VOLUME_STATS',
  'EXPAND_VOLUME',
  'VOLUME_CONDITION',
  'SINGLE_NODE_MULTI_WRITER',
  'VOLUME_MOUNT_GROUP',
];

export interface NodeFacts {
  /** Where this node is; none: nothing is said. */
  readonly topology: Segments | undefined;
  /** The same, of what the storage cluster says of the machine; none: nothing. */
  readonly zone: (() => Promise<Segments>) | undefined;
  /** 0: as many as the orchestrator likes. */
  readonly volumesMax: number;
}

export function node(parts: NodeParts, { topology, zone, volumesMax }: NodeFacts): Handlers<NodeService> {
  return {
    NodeStageVolume: (request, call) => stageVolume(parts, request, call),
    NodeUnstageVolume: (request, call) => unstageVolume(parts, request, call),
    NodePublishVolume: (request, call) => publishVolume(parts, request, call),
    NodeUnpublishVolume: (request, call) => unpublishVolume(parts, request, call),
    NodeGetVolumeStats: (request, call) => volumeStats(parts, request, call),
    NodeExpandVolume: (request, call) => expandVolume(parts, request, call),
    NodeGetCapabilities: async () => ({
      capabilities: nodeCapabilities.map((type) => ({ rpc: { type } })),
    }),
    NodeGetInfo: async () => {
      const segments = { ...topology, ...(await zone?.()) };
      const isSaid = Object.keys(segments).length > 0;
      return {
        nodeId: parts.hostNqn,
        maxVolumesPerNode: String(volumesMax),
        ...(isSaid && { accessibleTopology: { segments } }),
      };
    },
  };
}
