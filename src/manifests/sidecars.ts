// The sidecars that talk to the Kubernetes API for us. Versions: those that were current with CSI 1.12; the
// chart has the same in its values.
import type { Container, VolumeMount } from 'kubernetes-types/core/v1.d.ts';
import { confined, requests } from './common.js';
import type { ManifestOptions } from './options.js';

const registry = 'registry.k8s.io/sig-storage';
export const images = {
  provisioner: `${registry}/csi-provisioner:v6.3.0`,
  attacher: `${registry}/csi-attacher:v4.12.0`,
  resizer: `${registry}/csi-resizer:v2.1.1`,
  snapshotter: `${registry}/csi-snapshotter:v8.6.0`,
  healthMonitor: `${registry}/csi-external-health-monitor-controller:v0.18.0`,
  livenessProbe: `${registry}/livenessprobe:v2.19.0`,
  nodeDriverRegistrar: `${registry}/csi-node-driver-registrar:v2.17.0`,
  snapshotMetadata: `${registry}/csi-snapshot-metadata:v0.1.0`,
} as const;

export const socketMount: VolumeMount = { name: 'socket', mountPath: '/csi' };
const address = '--csi-address=/csi/csi.sock';

// No gates for topology and VolumeAttributesClass: both are always on in these versions, and a gate that was
// removed ends the sidecar.
export function controllerSidecars({ snapshots, groupSnapshots }: ManifestOptions): Container[] {
  return [
    elected('csi-provisioner', images.provisioner, 9811, [
      '--timeout=60s',
      '--default-fstype=ext4',
      '--extra-create-metadata',
      '--enable-capacity',
      '--capacity-ownerref-level=2',
    ]),
    elected('csi-attacher', images.attacher, 9812, ['--timeout=60s']),
    elected('csi-resizer', images.resizer, 9813, ['--timeout=60s']),
    ...(snapshots
      ? [
          elected('csi-snapshotter', images.snapshotter, 9814, [
            '--timeout=60s',
            '--extra-create-metadata',
            ...(groupSnapshots ? ['--feature-gates=CSIVolumeGroupSnapshot=true'] : []),
          ]),
        ]
      : []),
    elected('csi-health-monitor', images.healthMonitor, 9815, ['--timeout=60s']),
  ];
}

/** Of a kubelet that asks /healthz of `endpoint`; the container that is started again is the driver's. */
export function livenessProbe(endpoint: string): Container {
  return sidecar('liveness-probe', images.livenessProbe, [address, `--http-endpoint=${endpoint}`]);
}

export function sidecar(name: string, image: string, args: string[]): Container {
  return {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    args,
    securityContext: confined,
    resources: requests('10m', '32Mi'),
    volumeMounts: [socketMount],
  };
}

function elected(name: string, image: string, port: number, more: readonly string[]): Container {
  const base = sidecar(name, image, [address, '--leader-election', `--http-endpoint=:${port}`, ...more]);
  return {
    ...base,
    env: name === 'csi-provisioner' ? ownPod : [],
    ports: [{ name: name.replace('csi-', ''), containerPort: port }],
    livenessProbe: {
      httpGet: { path: '/healthz/leader-election', port },
      initialDelaySeconds: 30,
      periodSeconds: 20,
    },
  };
}

// The provisioner makes its objects belong to the Deployment above its pod.
const ownPod = [
  { name: 'NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
  { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
];
