// The CSI controller: on the storage node, where it asks the daemon by its Unix socket. That socket is the
// one door of the REST API that needs neither a token nor TLS: nothing of it is ever on a network. Its pod
// is not in the host's network, and has of the machine the state directory only, which it cannot write.
import type { Deployment } from 'kubernetes-types/apps/v1.d.ts';
import type { Container, PodSpec } from 'kubernetes-types/core/v1.d.ts';
import {
  confined,
  hostPath,
  named,
  namespaced,
  podsOf,
  requests,
  topologyKey,
  zoneArguments,
} from './common.js';
import { type ManifestOptions, metricsPort } from './options.js';
import { controllerSidecars, livenessProbe, socketMount } from './sidecars.js';
import { snapshotMetadataSidecar } from './snapshot-metadata.js';

const component = 'csi-controller';
const healthPort = 9808;

export function controller(options: ManifestOptions): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: namespaced(options, named(component), component),
    spec: { replicas: 1, ...podsOf(component, pod(options)) },
  };
}

function pod(options: ManifestOptions): PodSpec {
  const { snapshotMetadata } = options;
  return {
    serviceAccountName: named(component),
    priorityClassName: 'system-cluster-critical',
    nodeSelector: { 'kubernetes.io/hostname': options.storageNode },
    tolerations: [{ operator: 'Exists' }],
    containers: [
      driver(options),
      ...controllerSidecars(options),
      ...(snapshotMetadata === undefined ? [] : [snapshotMetadataSidecar()]),
      livenessProbe(`:${healthPort}`),
    ],
    volumes: [
      { name: 'socket', emptyDir: {} },
      hostPath('data', options.dataDirectory),
      ...(snapshotMetadata === undefined
        ? []
        : [{ name: 'snapshot-metadata-tls', secret: { secretName: snapshotMetadata.tlsSecret } }]),
    ],
  };
}

function driver(options: ManifestOptions): Container {
  return {
    name: 'ballast',
    image: options.image,
    imagePullPolicy: 'IfNotPresent',
    args: [
      'csi',
      '--mode=controller',
      '--endpoint=unix:///csi/csi.sock',
      `--data=${options.dataDirectory}`,
      `--driver-name=${options.driverName}`,
      `--topology=${topologyKey(options)}=${options.storageNode}`,
      ...zoneArguments(options),
      ...(options.metrics ? [`--metrics-listen=0.0.0.0:${metricsPort}`] : []),
    ],
    ports: [
      { name: 'healthz', containerPort: healthPort },
      ...(options.metrics ? [{ name: 'metrics', containerPort: metricsPort }] : []),
    ],
    securityContext: confined,
    livenessProbe: {
      httpGet: { path: '/healthz', port: healthPort },
      initialDelaySeconds: 10,
      periodSeconds: 20,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    resources: requests('50m', '128Mi'),
    volumeMounts: [socketMount, { name: 'data', mountPath: options.dataDirectory, readOnly: true }],
  };
}
