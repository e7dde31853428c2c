// Made by proto/types.mjs from proto/csi.proto: change that, make it again. Absent is '',
// '0', 0, false, [], {} or, for a message, null; of a oneof, the field that its name tells is there.

export type BlockMetadataType = 'UNKNOWN' | 'FIXED_LENGTH' | 'VARIABLE_LENGTH';

export type GetPluginInfoRequest = Readonly<Record<string, never>>;

export interface GetPluginInfoResponse {
  readonly name: string;
  readonly vendorVersion: string;
  readonly manifest: Readonly<Record<string, string>>;
}

export type GetPluginCapabilitiesRequest = Readonly<Record<string, never>>;

export interface GetPluginCapabilitiesResponse {
  readonly capabilities: readonly PluginCapability[];
}

export type PluginCapabilityServiceType =
  | 'UNKNOWN'
  | 'CONTROLLER_SERVICE'
  | 'VOLUME_ACCESSIBILITY_CONSTRAINTS'
  | 'GROUP_CONTROLLER_SERVICE'
  | 'SNAPSHOT_METADATA_SERVICE';

export interface PluginCapabilityService {
  readonly type: PluginCapabilityServiceType;
}

export type PluginCapabilityVolumeExpansionType = 'UNKNOWN' | 'ONLINE' | 'OFFLINE';

export interface PluginCapabilityVolumeExpansion {
  readonly type: PluginCapabilityVolumeExpansionType;
}

export interface PluginCapability {
  readonly service?: PluginCapabilityService;
  readonly volumeExpansion?: PluginCapabilityVolumeExpansion;
  readonly type?: 'service' | 'volumeExpansion';
}

export type ProbeRequest = Readonly<Record<string, never>>;

export interface ProbeResponse {
  readonly ready: { readonly value: boolean } | null;
}

export interface CreateVolumeRequest {
  readonly name: string;
  readonly capacityRange: CapacityRange | null;
  readonly volumeCapabilities: readonly VolumeCapability[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly volumeContentSource: VolumeContentSource | null;
  readonly accessibilityRequirements: TopologyRequirement | null;
  readonly mutableParameters: Readonly<Record<string, string>>;
}

export interface VolumeContentSourceSnapshotSource {
  readonly snapshotId: string;
}

export interface VolumeContentSourceVolumeSource {
  readonly volumeId: string;
}

export interface VolumeContentSource {
  readonly snapshot?: VolumeContentSourceSnapshotSource;
  readonly volume?: VolumeContentSourceVolumeSource;
  readonly type?: 'snapshot' | 'volume';
}

export interface CreateVolumeResponse {
  readonly volume: Volume | null;
}

export type VolumeCapabilityBlockVolume = Readonly<Record<string, never>>;

export interface VolumeCapabilityMountVolume {
  readonly fsType: string;
  readonly mountFlags: readonly string[];
  readonly volumeMountGroup: string;
}

export type VolumeCapabilityAccessModeMode =
  | 'UNKNOWN'
  | 'SINGLE_NODE_WRITER'
  | 'SINGLE_NODE_READER_ONLY'
  | 'MULTI_NODE_READER_ONLY'
  | 'MULTI_NODE_SINGLE_WRITER'
  | 'MULTI_NODE_MULTI_WRITER'
  | 'SINGLE_NODE_SINGLE_WRITER'
  | 'SINGLE_NODE_MULTI_WRITER';

export interface VolumeCapabilityAccessMode {
  readonly mode: VolumeCapabilityAccessModeMode;
}

export interface VolumeCapability {
  readonly block?: VolumeCapabilityBlockVolume;
  readonly mount?: VolumeCapabilityMountVolume;
  readonly accessMode: VolumeCapabilityAccessMode | null;
  readonly accessType?: 'block' | 'mount';
}

export interface CapacityRange {
  readonly requiredBytes: string;
  readonly limitBytes: string;
}

export interface Volume {
  readonly capacityBytes: string;
  readonly volumeId: string;
  readonly volumeContext: Readonly<Record<string, string>>;
  readonly contentSource: VolumeContentSource | null;
  readonly accessibleTopology: readonly Topology[];
}

export interface TopologyRequirement {
  readonly requisite: readonly Topology[];
  readonly preferred: readonly Topology[];
}

export interface Topology {
  readonly segments: Readonly<Record<string, string>>;
}

export interface DeleteVolumeRequest {
  readonly volumeId: string;
  readonly secrets: Readonly<Record<string, string>>;
}

export type DeleteVolumeResponse = Readonly<Record<string, never>>;

export interface ControllerPublishVolumeRequest {
  readonly volumeId: string;
  readonly nodeId: string;
  readonly volumeCapability: VolumeCapability | null;
  readonly readonly: boolean;
  readonly secrets: Readonly<Record<string, string>>;
  readonly volumeContext: Readonly<Record<string, string>>;
}

export interface ControllerPublishVolumeResponse {
  readonly publishContext: Readonly<Record<string, string>>;
}

export interface ControllerUnpublishVolumeRequest {
  readonly volumeId: string;
  readonly nodeId: string;
  readonly secrets: Readonly<Record<string, string>>;
}

export type ControllerUnpublishVolumeResponse = Readonly<Record<string, never>>;

export interface ValidateVolumeCapabilitiesRequest {
  readonly volumeId: string;
  readonly volumeContext: Readonly<Record<string, string>>;
  readonly volumeCapabilities: readonly VolumeCapability[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly mutableParameters: Readonly<Record<string, string>>;
}

export interface ValidateVolumeCapabilitiesResponseConfirmed {
  readonly volumeContext: Readonly<Record<string, string>>;
  readonly volumeCapabilities: readonly VolumeCapability[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly mutableParameters: Readonly<Record<string, string>>;
}

export interface ValidateVolumeCapabilitiesResponse {
  readonly confirmed: ValidateVolumeCapabilitiesResponseConfirmed | null;
  readonly message: string;
}

export interface ListVolumesRequest {
  readonly maxEntries: number;
  readonly startingToken: string;
}

export interface ListVolumesResponseVolumeStatus {
  readonly publishedNodeIds: readonly string[];
  readonly volumeCondition: VolumeCondition | null;
}

export interface ListVolumesResponseEntry {
  readonly volume: Volume | null;
  readonly status: ListVolumesResponseVolumeStatus | null;
}

export interface ListVolumesResponse {
  readonly entries: readonly ListVolumesResponseEntry[];
  readonly nextToken: string;
}

export interface ControllerGetVolumeRequest {
  readonly volumeId: string;
}

export interface ControllerGetVolumeResponseVolumeStatus {
  readonly publishedNodeIds: readonly string[];
  readonly volumeCondition: VolumeCondition | null;
}

export interface ControllerGetVolumeResponse {
  readonly volume: Volume | null;
  readonly status: ControllerGetVolumeResponseVolumeStatus | null;
}

export interface ControllerModifyVolumeRequest {
  readonly volumeId: string;
  readonly secrets: Readonly<Record<string, string>>;
  readonly mutableParameters: Readonly<Record<string, string>>;
}

export type ControllerModifyVolumeResponse = Readonly<Record<string, never>>;

export interface GetCapacityRequest {
  readonly volumeCapabilities: readonly VolumeCapability[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly accessibleTopology: Topology | null;
}

export interface GetCapacityResponse {
  readonly availableCapacity: string;
  readonly maximumVolumeSize: { readonly value: string } | null;
  readonly minimumVolumeSize: { readonly value: string } | null;
}

export type ControllerGetCapabilitiesRequest = Readonly<Record<string, never>>;

export interface ControllerGetCapabilitiesResponse {
  readonly capabilities: readonly ControllerServiceCapability[];
}

export type ControllerServiceCapabilityRPCType =
  | 'UNKNOWN'
  | 'CREATE_DELETE_VOLUME'
  | 'PUBLISH_UNPUBLISH_VOLUME'
  | 'LIST_VOLUMES'
  | 'GET_CAPACITY'
  | 'CREATE_DELETE_SNAPSHOT'
  | 'LIST_SNAPSHOTS'
  | 'CLONE_VOLUME'
  | 'PUBLISH_READONLY'
  | 'EXPAND_VOLUME'
  | 'LIST_VOLUMES_PUBLISHED_NODES'
  | 'VOLUME_CONDITION'
  | 'GET_VOLUME'
  | 'SINGLE_NODE_MULTI_WRITER'
  | 'MODIFY_VOLUME'
  | 'GET_SNAPSHOT';

export interface ControllerServiceCapabilityRPC {
  readonly type: ControllerServiceCapabilityRPCType;
}

export interface ControllerServiceCapability {
  readonly rpc?: ControllerServiceCapabilityRPC;
  readonly type?: 'rpc';
}

export interface CreateSnapshotRequest {
  readonly sourceVolumeId: string;
  readonly name: string;
  readonly secrets: Readonly<Record<string, string>>;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface CreateSnapshotResponse {
  readonly snapshot: Snapshot | null;
}

export interface Snapshot {
  readonly sizeBytes: string;
  readonly snapshotId: string;
  readonly sourceVolumeId: string;
  readonly creationTime: { readonly seconds: string; readonly nanos: number } | null;
  readonly readyToUse: boolean;
  readonly groupSnapshotId: string;
}

export interface DeleteSnapshotRequest {
  readonly snapshotId: string;
  readonly secrets: Readonly<Record<string, string>>;
}

export type DeleteSnapshotResponse = Readonly<Record<string, never>>;

export interface ListSnapshotsRequest {
  readonly maxEntries: number;
  readonly startingToken: string;
  readonly sourceVolumeId: string;
  readonly snapshotId: string;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface ListSnapshotsResponseEntry {
  readonly snapshot: Snapshot | null;
}

export interface ListSnapshotsResponse {
  readonly entries: readonly ListSnapshotsResponseEntry[];
  readonly nextToken: string;
}

export interface GetSnapshotRequest {
  readonly snapshotId: string;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface GetSnapshotResponse {
  readonly snapshot: Snapshot | null;
}

export interface ControllerExpandVolumeRequest {
  readonly volumeId: string;
  readonly capacityRange: CapacityRange | null;
  readonly secrets: Readonly<Record<string, string>>;
  readonly volumeCapability: VolumeCapability | null;
}

export interface ControllerExpandVolumeResponse {
  readonly capacityBytes: string;
  readonly nodeExpansionRequired: boolean;
}

export interface NodeStageVolumeRequest {
  readonly volumeId: string;
  readonly publishContext: Readonly<Record<string, string>>;
  readonly stagingTargetPath: string;
  readonly volumeCapability: VolumeCapability | null;
  readonly secrets: Readonly<Record<string, string>>;
  readonly volumeContext: Readonly<Record<string, string>>;
}

export type NodeStageVolumeResponse = Readonly<Record<string, never>>;

export interface NodeUnstageVolumeRequest {
  readonly volumeId: string;
  readonly stagingTargetPath: string;
}

export type NodeUnstageVolumeResponse = Readonly<Record<string, never>>;

export interface NodePublishVolumeRequest {
  readonly volumeId: string;
  readonly publishContext: Readonly<Record<string, string>>;
  readonly stagingTargetPath: string;
  readonly targetPath: string;
  readonly volumeCapability: VolumeCapability | null;
  readonly readonly: boolean;
  readonly secrets: Readonly<Record<string, string>>;
  readonly volumeContext: Readonly<Record<string, string>>;
}

export type NodePublishVolumeResponse = Readonly<Record<string, never>>;

export interface NodeUnpublishVolumeRequest {
  readonly volumeId: string;
  readonly targetPath: string;
}

export type NodeUnpublishVolumeResponse = Readonly<Record<string, never>>;

export interface NodeGetVolumeStatsRequest {
  readonly volumeId: string;
  readonly volumePath: string;
  readonly stagingTargetPath: string;
}

export interface NodeGetVolumeStatsResponse {
  readonly usage: readonly VolumeUsage[];
  readonly volumeCondition: VolumeCondition | null;
}

export type VolumeUsageUnit = 'UNKNOWN' | 'BYTES' | 'INODES';

export interface VolumeUsage {
  readonly available: string;
  readonly total: string;
  readonly used: string;
  readonly unit: VolumeUsageUnit;
}

export interface VolumeCondition {
  readonly abnormal: boolean;
  readonly message: string;
}

export type NodeGetCapabilitiesRequest = Readonly<Record<string, never>>;

export interface NodeGetCapabilitiesResponse {
  readonly capabilities: readonly NodeServiceCapability[];
}

export type NodeServiceCapabilityRPCType =
  | 'UNKNOWN'
  | 'STAGE_UNSTAGE_VOLUME'
  | 'GET_VOLUME_STATS'
  | 'EXPAND_VOLUME'
  | 'VOLUME_CONDITION'
  | 'SINGLE_NODE_MULTI_WRITER'
  | 'VOLUME_MOUNT_GROUP';

export interface NodeServiceCapabilityRPC {
  readonly type: NodeServiceCapabilityRPCType;
}

export interface NodeServiceCapability {
  readonly rpc?: NodeServiceCapabilityRPC;
  readonly type?: 'rpc';
}

export type NodeGetInfoRequest = Readonly<Record<string, never>>;

export interface NodeGetInfoResponse {
  readonly nodeId: string;
  readonly maxVolumesPerNode: string;
  readonly accessibleTopology: Topology | null;
}

export interface NodeExpandVolumeRequest {
  readonly volumeId: string;
  readonly volumePath: string;
  readonly capacityRange: CapacityRange | null;
  readonly stagingTargetPath: string;
  readonly volumeCapability: VolumeCapability | null;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface NodeExpandVolumeResponse {
  readonly capacityBytes: string;
}

export type GroupControllerGetCapabilitiesRequest = Readonly<Record<string, never>>;

export interface GroupControllerGetCapabilitiesResponse {
  readonly capabilities: readonly GroupControllerServiceCapability[];
}

export type GroupControllerServiceCapabilityRPCType = 'UNKNOWN' | 'CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT';

export interface GroupControllerServiceCapabilityRPC {
  readonly type: GroupControllerServiceCapabilityRPCType;
}

export interface GroupControllerServiceCapability {
  readonly rpc?: GroupControllerServiceCapabilityRPC;
  readonly type?: 'rpc';
}

export interface CreateVolumeGroupSnapshotRequest {
  readonly name: string;
  readonly sourceVolumeIds: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
  readonly parameters: Readonly<Record<string, string>>;
}

export interface CreateVolumeGroupSnapshotResponse {
  readonly groupSnapshot: VolumeGroupSnapshot | null;
}

export interface VolumeGroupSnapshot {
  readonly groupSnapshotId: string;
  readonly snapshots: readonly Snapshot[];
  readonly creationTime: { readonly seconds: string; readonly nanos: number } | null;
  readonly readyToUse: boolean;
}

export interface DeleteVolumeGroupSnapshotRequest {
  readonly groupSnapshotId: string;
  readonly snapshotIds: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
}

export type DeleteVolumeGroupSnapshotResponse = Readonly<Record<string, never>>;

export interface GetVolumeGroupSnapshotRequest {
  readonly groupSnapshotId: string;
  readonly snapshotIds: readonly string[];
  readonly secrets: Readonly<Record<string, string>>;
}

export interface GetVolumeGroupSnapshotResponse {
  readonly groupSnapshot: VolumeGroupSnapshot | null;
}

export interface BlockMetadata {
  readonly byteOffset: string;
  readonly sizeBytes: string;
}

export interface GetMetadataAllocatedRequest {
  readonly snapshotId: string;
  readonly startingOffset: string;
  readonly maxResults: number;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface GetMetadataAllocatedResponse {
  readonly blockMetadataType: BlockMetadataType;
  readonly volumeCapacityBytes: string;
  readonly blockMetadata: readonly BlockMetadata[];
}

export interface GetMetadataDeltaRequest {
  readonly baseSnapshotId: string;
  readonly targetSnapshotId: string;
  readonly startingOffset: string;
  readonly maxResults: number;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface GetMetadataDeltaResponse {
  readonly blockMetadataType: BlockMetadataType;
  readonly volumeCapacityBytes: string;
  readonly blockMetadata: readonly BlockMetadata[];
}

export interface IdentityService {
  GetPluginInfo: { request: GetPluginInfoRequest; response: GetPluginInfoResponse };
  GetPluginCapabilities: { request: GetPluginCapabilitiesRequest; response: GetPluginCapabilitiesResponse };
  Probe: { request: ProbeRequest; response: ProbeResponse };
}

export interface ControllerService {
  CreateVolume: { request: CreateVolumeRequest; response: CreateVolumeResponse };
  DeleteVolume: { request: DeleteVolumeRequest; response: DeleteVolumeResponse };
  ControllerPublishVolume: {
    request: ControllerPublishVolumeRequest;
    response: ControllerPublishVolumeResponse;
  };
  ControllerUnpublishVolume: {
    request: ControllerUnpublishVolumeRequest;
    response: ControllerUnpublishVolumeResponse;
  };
  ValidateVolumeCapabilities: {
    request: ValidateVolumeCapabilitiesRequest;
    response: ValidateVolumeCapabilitiesResponse;
  };
  ListVolumes: { request: ListVolumesRequest; response: ListVolumesResponse };
  GetCapacity: { request: GetCapacityRequest; response: GetCapacityResponse };
  ControllerGetCapabilities: {
    request: ControllerGetCapabilitiesRequest;
    response: ControllerGetCapabilitiesResponse;
  };
  CreateSnapshot: { request: CreateSnapshotRequest; response: CreateSnapshotResponse };
  DeleteSnapshot: { request: DeleteSnapshotRequest; response: DeleteSnapshotResponse };
  ListSnapshots: { request: ListSnapshotsRequest; response: ListSnapshotsResponse };
  GetSnapshot: { request: GetSnapshotRequest; response: GetSnapshotResponse };
  ControllerExpandVolume: {
    request: ControllerExpandVolumeRequest;
    response: ControllerExpandVolumeResponse;
  };
  ControllerGetVolume: { request: ControllerGetVolumeRequest; response: ControllerGetVolumeResponse };
  ControllerModifyVolume: {
    request: ControllerModifyVolumeRequest;
    response: ControllerModifyVolumeResponse;
  };
}

export interface GroupControllerService {
  GroupControllerGetCapabilities: {
    request: GroupControllerGetCapabilitiesRequest;
    response: GroupControllerGetCapabilitiesResponse;
  };
  CreateVolumeGroupSnapshot: {
    request: CreateVolumeGroupSnapshotRequest;
    response: CreateVolumeGroupSnapshotResponse;
  };
  DeleteVolumeGroupSnapshot: {
    request: DeleteVolumeGroupSnapshotRequest;
    response: DeleteVolumeGroupSnapshotResponse;
  };
  GetVolumeGroupSnapshot: {
    request: GetVolumeGroupSnapshotRequest;
    response: GetVolumeGroupSnapshotResponse;
  };
}

export interface SnapshotMetadataService {
  GetMetadataAllocated: { request: GetMetadataAllocatedRequest; stream: GetMetadataAllocatedResponse };
  GetMetadataDelta: { request: GetMetadataDeltaRequest; stream: GetMetadataDeltaResponse };
}

export interface NodeService {
  NodeStageVolume: { request: NodeStageVolumeRequest; response: NodeStageVolumeResponse };
  NodeUnstageVolume: { request: NodeUnstageVolumeRequest; response: NodeUnstageVolumeResponse };
  NodePublishVolume: { request: NodePublishVolumeRequest; response: NodePublishVolumeResponse };
  NodeUnpublishVolume: { request: NodeUnpublishVolumeRequest; response: NodeUnpublishVolumeResponse };
  NodeGetVolumeStats: { request: NodeGetVolumeStatsRequest; response: NodeGetVolumeStatsResponse };
  NodeExpandVolume: { request: NodeExpandVolumeRequest; response: NodeExpandVolumeResponse };
  NodeGetCapabilities: { request: NodeGetCapabilitiesRequest; response: NodeGetCapabilitiesResponse };
  NodeGetInfo: { request: NodeGetInfoRequest; response: NodeGetInfoResponse };
}
