// Changed blocks for backup programs: the sidecar that lets them in, by the cluster's own tokens, and how
// they find it. Off unless there is a certificate for it: it is the one thing of ours that is called from
// outside.
import type { Container, Service } from 'kubernetes-types/core/v1.d.ts';
import { type ManifestObject, meta, named, namespaced, selector } from './common.js';
import type { ManifestOptions } from './options.js';
import { images, sidecar, socketMount } from './sidecars.js';

export const metadataPort = 50051;
const certificates = '/certificates';
const component = 'csi-controller';

export function snapshotMetadataSidecar(): Container {
  const container = sidecar('csi-snapshot-metadata', images.snapshotMetadata, [
    '--csi-address=/csi/csi.sock',
    `--port=${metadataPort}`,
    `--tls-cert=${certificates}/tls.crt`,
    `--tls-key=${certificates}/tls.key`,
  ]);
  return {
    ...container,
    ports: [{ name: 'cbt', containerPort: metadataPort }],
    volumeMounts: [socketMount, { name: 'snapshot-metadata-tls', mountPath: certificates, readOnly: true }],
  };
}

interface SnapshotMetadataService extends ManifestObject {
  readonly spec: { readonly address: string; readonly audience: string; readonly caCert: string };
}

export function snapshotMetadata(options: ManifestOptions): readonly (Service | SnapshotMetadataService)[] {
  const { snapshotMetadata: wanted, namespace, driverName } = options;
  if (wanted === undefined) return [];
  const name = `${named(component)}-metadata`;
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: namespaced(options, name, component),
      spec: {
        selector: selector(component),
        ports: [{ name: 'cbt', protocol: 'TCP', port: metadataPort, targetPort: metadataPort }],
      },
    },
    {
      apiVersion: 'cbt.storage.k8s.io/v1alpha1',
      kind: 'SnapshotMetadataService',
      metadata: meta(options, driverName, component),
      spec: { address: `${name}.${namespace}:${metadataPort}`, audience: driverName, caCert: wanted.caCert },
    },
  ];
}
