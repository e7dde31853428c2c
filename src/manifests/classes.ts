// The driver as the cluster knows it, and the classes that users name in their claims.
import type { CSIDriver, StorageClass } from 'kubernetes-types/storage/v1.d.ts';
import { appName, type ManifestObject, meta } from './common.js';
import type { ManifestOptions } from './options.js';

type Texts = Readonly<Record<string, string>>;

/** storage.k8s.io/v1 since Kubernetes 1.34; newer than the package of types. */
export interface VolumeAttributesClass extends ManifestObject {
  readonly driverName: string;
  readonly parameters: Texts;
}

export interface SnapshotClass extends ManifestObject {
  readonly driver: string;
  readonly deletionPolicy: 'Delete' | 'Retain';
}

export function csiDriver(options: ManifestOptions): CSIDriver {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: meta(options, options.driverName),
    spec: {
      attachRequired: true, // what fences a node that is gone
      podInfoOnMount: true, // figures of a pod; volumes that live as long as one
      fsGroupPolicy: 'File',
      volumeLifecycleModes: ['Persistent', 'Ephemeral'],
      storageCapacity: true,
    },
  };
}

export function storageClass(options: ManifestOptions): StorageClass {
  const { defaultClass, driverName } = options;
  const metadata = meta(options, appName);
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: defaultClass ? { ...metadata, annotations } : metadata,
    provisioner: driverName,
    parameters: { 'csi.storage.k8s.io/fstype': 'ext4', thin: 'true' },
    allowVolumeExpansion: true,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
  };
}

/** Examples: a limit; a guarantee with a limit. Parameters of such a class cannot be changed. */
const attributes: Readonly<Record<string, Texts>> = {
  'ballast-limited': { iops: '2000', throughput: '100', burstSeconds: '10' },
  'ballast-guaranteed': { minIops: '1000', iops: '10000', weight: '200' },
};

export function volumeAttributesClasses(options: ManifestOptions): readonly VolumeAttributesClass[] {
  return Object.entries(attributes).map(([name, parameters]) => ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'VolumeAttributesClass',
    metadata: meta(options, name),
    driverName: options.driverName,
    parameters,
  }));
}

export function snapshotClasses(options: ManifestOptions): readonly SnapshotClass[] {
  const of = (kind: string, apiVersion: string): SnapshotClass => ({
    apiVersion,
    kind,
    metadata: meta(options, appName),
    driver: options.driverName,
    deletionPolicy: 'Delete',
  });
  return [
    ...(options.snapshots ? [of('VolumeSnapshotClass', 'snapshot.storage.k8s.io/v1')] : []),
    ...(options.groupSnapshots ? [of('VolumeGroupSnapshotClass', 'groupsnapshot.storage.k8s.io/v1')] : []),
  ];
}
