// Sets of options of `ballast manifests` with the values of the chart that mean the same.
import type { ManifestOptions } from '../../src/manifests/options.js';

export const plainOptions: ManifestOptions = {
  version: '0.1.0',
  namespace: 'ballast',
  image: 'ballast:0.1.0',
  driverName: 'csi.ballast.dev',
  storageNode: 'storage-1',
  storageInterface: 'eth1',
  dataDirectory: '/var/lib/ballast',
  keyDirectory: '/var/lib/ballast-keys',
  kubeletDirectory: '/var/lib/kubelet',
  attachDriver: 'auto',
  metrics: false,
  monitors: false,
  snapshots: true,
  groupSnapshots: false,
  defaultClass: false,
};

const storage = { nodeName: 'storage-1', storageInterface: 'eth1' };

export const variants: readonly {
  readonly name: string;
  readonly options: ManifestOptions;
  readonly values: Readonly<Record<string, unknown>>;
}[] = [
  { name: 'what stands where nothing is chosen', options: plainOptions, values: { storage } },
  {
    name: 'everything',
    options: {
      ...plainOptions,
      image: 'registry.example/ballast:7',
      driverName: 'csi.example.org',
      storageNode: 'storage-2.example',
      storageInterface: 'bond0.30',
      dataDirectory: '/srv/state',
      keyDirectory: '/srv/keys',
      kubeletDirectory: '/var/lib/k0s/kubelet',
      attachDriver: 'kernel',
      metrics: true,
      monitors: true,
      groupSnapshots: true,
      defaultClass: true,
      api: { url: 'https://storage.example:8443', tokenSecret: 'ballast-api' },
      snapshotMetadata: { tlsSecret: 'ballast-metadata', caCert: 'Y2VydGlmaWNhdGU=' },
    },
    values: {
      image: { repository: 'registry.example/ballast', tag: '7' },
      driverName: 'csi.example.org',
      kubeletDirectory: '/var/lib/k0s/kubelet',
      storage: {
        nodeName: 'storage-2.example',
        storageInterface: 'bond0.30',
        dataDirectory: '/srv/state',
        keyDirectory: '/srv/keys',
      },
      node: {
        attachDriver: 'kernel',
        api: { url: 'https://storage.example:8443', tokenSecret: 'ballast-api' },
      },
      metrics: { enabled: true, monitors: true },
      snapshots: { groups: true },
      snapshotMetadata: { enabled: true, tlsSecret: 'ballast-metadata', caCert: 'Y2VydGlmaWNhdGU=' },
      storageClass: { isDefault: true },
    },
  },
  {
    name: 'a cluster',
    options: {
      ...plainOptions,
      metrics: true,
      snapshots: false,
      cluster: {
        controllerAddress: '10.1.0.1',
        joinSecret: 'ballast-join',
        pool: 'data=/dev/nvme1n1',
        nodeLabel: { key: 'ballast.dev/storage', value: 'true' },
        nodeDirectory: '/var/lib/ballast-node',
      },
    },
    values: {
      storage,
      metrics: { enabled: true },
      snapshots: { enabled: false },
      cluster: { enabled: true, controllerAddress: '10.1.0.1', pool: 'data=/dev/nvme1n1' },
    },
  },
  {
    name: 'zones of a cluster',
    options: {
      ...plainOptions,
      api: { url: 'https://storage.example:8443', tokenSecret: 'ballast-api' },
      cluster: {
        controllerAddress: '[fd00::1]',
        joinSecret: 'nodes-join',
        pool: 'fast=/dev/disk/by-id/nvme-1:100G',
        nodeLabel: { key: 'disks', value: 'yes' },
        nodeDirectory: '/srv/node',
        zoneKey: 'topology.kubernetes.io/zone',
      },
    },
    values: {
      storage,
      node: { api: { url: 'https://storage.example:8443', tokenSecret: 'ballast-api' } },
      cluster: {
        ...{ enabled: true, controllerAddress: '[fd00::1]', joinTokenSecret: 'nodes-join' },
        ...{ pool: 'fast=/dev/disk/by-id/nvme-1:100G', nodeDirectory: '/srv/node' },
        nodeSelector: { disks: 'yes', 'ballast.dev/storage': null },
        zoneKey: 'topology.kubernetes.io/zone',
      },
    },
  },
  {
    name: 'no snapshots',
    options: { ...plainOptions, snapshots: false, metrics: true },
    values: { storage, snapshots: { enabled: false }, metrics: { enabled: true } },
  },
];
