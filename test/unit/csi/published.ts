// What CSI 1.12 publishes: services with their methods, messages with their field numbers, enums with their
// values. proto.test.ts compares our proto/csi.proto with it.
export const published = `
service Identity: GetPluginInfo GetPluginCapabilities Probe
service Controller: CreateVolume DeleteVolume ControllerPublishVolume ControllerUnpublishVolume
  ValidateVolumeCapabilities ListVolumes GetCapacity ControllerGetCapabilities CreateSnapshot
  DeleteSnapshot ListSnapshots GetSnapshot ControllerExpandVolume ControllerGetVolume
  ControllerModifyVolume
service GroupController: GroupControllerGetCapabilities CreateVolumeGroupSnapshot
  DeleteVolumeGroupSnapshot GetVolumeGroupSnapshot
service SnapshotMetadata: GetMetadataAllocated GetMetadataDelta
service Node: NodeStageVolume NodeUnstageVolume NodePublishVolume NodeUnpublishVolume NodeGetVolumeStats
  NodeExpandVolume NodeGetCapabilities NodeGetInfo
GetPluginInfoRequest:
GetPluginInfoResponse: name=1 vendor_version=2 manifest=3
GetPluginCapabilitiesRequest:
GetPluginCapabilitiesResponse: capabilities=1
PluginCapability: service=1 volume_expansion=2
PluginCapability.Service: type=1
PluginCapability.Service.Type: UNKNOWN=0 CONTROLLER_SERVICE=1 VOLUME_ACCESSIBILITY_CONSTRAINTS=2
  GROUP_CONTROLLER_SERVICE=3 SNAPSHOT_METADATA_SERVICE=4
PluginCapability.VolumeExpansion: type=1
PluginCapability.VolumeExpansion.Type: UNKNOWN=0 ONLINE=1 OFFLINE=2
ProbeRequest:
ProbeResponse: ready=1
CreateVolumeRequest: name=1 capacity_range=2 volume_capabilities=3 parameters=4 secrets=5
  volume_content_source=6 accessibility_requirements=7 mutable_parameters=8
VolumeContentSource: snapshot=1 volume=2
VolumeContentSource.SnapshotSource: snapshot_id=1
VolumeContentSource.VolumeSource: volume_id=1
CreateVolumeResponse: volume=1
VolumeCapability: block=1 mount=2 access_mode=3
VolumeCapability.BlockVolume:
VolumeCapability.MountVolume: fs_type=1 mount_flags=2 volume_mount_group=3
VolumeCapability.AccessMode: mode=1
VolumeCapability.AccessMode.Mode: UNKNOWN=0 SINGLE_NODE_WRITER=1 SINGLE_NODE_READER_ONLY=2
  MULTI_NODE_READER_ONLY=3 MULTI_NODE_SINGLE_WRITER=4 MULTI_NODE_MULTI_WRITER=5
  SINGLE_NODE_SINGLE_WRITER=6 SINGLE_NODE_MULTI_WRITER=7
CapacityRange: required_bytes=1 limit_bytes=2
Volume: capacity_bytes=1 volume_id=2 volume_context=3 content_source=4 accessible_topology=5
TopologyRequirement: requisite=1 preferred=2
Topology: segments=1
DeleteVolumeRequest: volume_id=1 secrets=2
DeleteVolumeResponse:
ControllerPublishVolumeRequest: volume_id=1 node_id=2 volume_capability=3 readonly=4 secrets=5
  volume_context=6
ControllerPublishVolumeResponse: publish_context=1
ControllerUnpublishVolumeRequest: volume_id=1 node_id=2 secrets=3
ControllerUnpublishVolumeResponse:
ValidateVolumeCapabilitiesRequest: volume_id=1 volume_context=2 volume_capabilities=3 parameters=4
  secrets=5 mutable_parameters=6
ValidateVolumeCapabilitiesResponse: confirmed=1 message=2
ValidateVolumeCapabilitiesResponse.Confirmed: volume_context=1 volume_capabilities=2 parameters=3
  mutable_parameters=4
ListVolumesRequest: max_entries=1 starting_token=2
ListVolumesResponse: entries=1 next_token=2
ListVolumesResponse.VolumeStatus: published_node_ids=1 volume_condition=2
ListVolumesResponse.Entry: volume=1 status=2
ControllerGetVolumeRequest: volume_id=1
ControllerGetVolumeResponse: volume=1 status=2
ControllerGetVolumeResponse.VolumeStatus: published_node_ids=1 volume_condition=2
ControllerModifyVolumeRequest: volume_id=1 secrets=2 mutable_parameters=3
ControllerModifyVolumeResponse:
GetCapacityRequest: volume_capabilities=1 parameters=2 accessible_topology=3
GetCapacityResponse: available_capacity=1 maximum_volume_size=2 minimum_volume_size=3
ControllerGetCapabilitiesRequest:
ControllerGetCapabilitiesResponse: capabilities=1
ControllerServiceCapability: rpc=1
ControllerServiceCapability.RPC: type=1
ControllerServiceCapability.RPC.Type: UNKNOWN=0 CREATE_DELETE_VOLUME=1 PUBLISH_UNPUBLISH_VOLUME=2
  LIST_VOLUMES=3 GET_CAPACITY=4 CREATE_DELETE_SNAPSHOT=5 LIST_SNAPSHOTS=6 CLONE_VOLUME=7
  PUBLISH_READONLY=8 EXPAND_VOLUME=9 LIST_VOLUMES_PUBLISHED_NODES=10 VOLUME_CONDITION=11 GET_VOLUME=12
  SINGLE_NODE_MULTI_WRITER=13 MODIFY_VOLUME=14 GET_SNAPSHOT=15
CreateSnapshotRequest: source_volume_id=1 name=2 secrets=3 parameters=4
CreateSnapshotResponse: snapshot=1
Snapshot: size_bytes=1 snapshot_id=2 source_volume_id=3 creation_time=4 ready_to_use=5 group_snapshot_id=6
DeleteSnapshotRequest: snapshot_id=1 secrets=2
DeleteSnapshotResponse:
ListSnapshotsRequest: max_entries=1 starting_token=2 source_volume_id=3 snapshot_id=4 secrets=5
ListSnapshotsResponse: entries=1 next_token=2
ListSnapshotsResponse.Entry: snapshot=1
GetSnapshotRequest: snapshot_id=1 secrets=2
GetSnapshotResponse: snapshot=1
ControllerExpandVolumeRequest: volume_id=1 capacity_range=2 secrets=3 volume_capability=4
ControllerExpandVolumeResponse: capacity_bytes=1 node_expansion_required=2
NodeStageVolumeRequest: volume_id=1 publish_context=2 staging_target_path=3 volume_capability=4 secrets=5
  volume_context=6
NodeStageVolumeResponse:
NodeUnstageVolumeRequest: volume_id=1 staging_target_path=2
NodeUnstageVolumeResponse:
NodePublishVolumeRequest: volume_id=1 publish_context=2 staging_target_path=3 target_path=4
  volume_capability=5 readonly=6 secrets=7 volume_context=8
NodePublishVolumeResponse:
NodeUnpublishVolumeRequest: volume_id=1 target_path=2
NodeUnpublishVolumeResponse:
NodeGetVolumeStatsRequest: volume_id=1 volume_path=2 staging_target_path=3
NodeGetVolumeStatsResponse: usage=1 volume_condition=2
VolumeUsage: available=1 total=2 used=3 unit=4
VolumeUsage.Unit: UNKNOWN=0 BYTES=1 INODES=2
VolumeCondition: abnormal=1 message=2
NodeGetCapabilitiesRequest:
NodeGetCapabilitiesResponse: capabilities=1
NodeServiceCapability: rpc=1
NodeServiceCapability.RPC: type=1
NodeServiceCapability.RPC.Type: UNKNOWN=0 STAGE_UNSTAGE_VOLUME=1 GET_VOLUME_STATS=2 EXPAND_VOLUME=3
  VOLUME_CONDITION=4 SINGLE_NODE_MULTI_WRITER=5 VOLUME_MOUNT_GROUP=6
NodeGetInfoRequest:
NodeGetInfoResponse: node_id=1 max_volumes_per_node=2 accessible_topology=3
NodeExpandVolumeRequest: volume_id=1 volume_path=2 capacity_range=3 staging_target_path=4
  volume_capability=5 secrets=6
NodeExpandVolumeResponse: capacity_bytes=1
GroupControllerGetCapabilitiesRequest:
GroupControllerGetCapabilitiesResponse: capabilities=1
GroupControllerServiceCapability: rpc=1
GroupControllerServiceCapability.RPC: type=1
GroupControllerServiceCapability.RPC.Type: UNKNOWN=0 CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT=1
CreateVolumeGroupSnapshotRequest: name=1 source_volume_ids=2 secrets=3 parameters=4
CreateVolumeGroupSnapshotResponse: group_snapshot=1
VolumeGroupSnapshot: group_snapshot_id=1 snapshots=2 creation_time=3 ready_to_use=4
DeleteVolumeGroupSnapshotRequest: group_snapshot_id=1 snapshot_ids=2 secrets=3
DeleteVolumeGroupSnapshotResponse:
GetVolumeGroupSnapshotRequest: group_snapshot_id=1 snapshot_ids=2 secrets=3
GetVolumeGroupSnapshotResponse: group_snapshot=1
BlockMetadata: byte_offset=1 size_bytes=2
BlockMetadataType: UNKNOWN=0 FIXED_LENGTH=1 VARIABLE_LENGTH=2
GetMetadataAllocatedRequest: snapshot_id=1 starting_offset=2 max_results=3 secrets=4
GetMetadataAllocatedResponse: block_metadata_type=1 volume_capacity_bytes=2 block_metadata=3
GetMetadataDeltaRequest: base_snapshot_id=1 target_snapshot_id=2 starting_offset=3 max_results=4 secrets=5
GetMetadataDeltaResponse: block_metadata_type=1 volume_capacity_bytes=2 block_metadata=3
`;
