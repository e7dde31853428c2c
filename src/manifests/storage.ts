// The pod of `ballast serve`, on the node whose disks are served. A DaemonSet of one node and no Deployment:
// its pod can be nowhere else, and draining that node must not take it away while others use its volumes.
// OnDelete, since a new version interrupts the I/O of every host for as long as it takes to start: who
// operates it says when. No liveness probe: volumes are served on when the REST API is not.
import type { DaemonSet } from 'kubernetes-types/apps/v1.d.ts';
import type { PodSpec } from 'kubernetes-types/core/v1.d.ts';
import { hostPath, named, namespaced, podsOf, requests } from './common.js';
import { apiPort, type ManifestOptions, metricsPort } from './options.js';

const component = 'storage';

export function storage(options: ManifestOptions): DaemonSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: namespaced(options, named(component), component),
    spec: { updateStrategy: { type: 'OnDelete' }, ...podsOf(component, pod(options)) },
  };
}

function pod(options: ManifestOptions): PodSpec {
  return {
    serviceAccountName: named(component),
    automountServiceAccountToken: false,
    hostNetwork: true, // the storage network as it is, with no overlay in the path
    dnsPolicy: 'ClusterFirstWithHostNet',
    priorityClassName: 'system-node-critical',
    nodeSelector: { 'kubernetes.io/hostname': options.storageNode },
    tolerations: [{ operator: 'Exists' }],
    terminationGracePeriodSeconds: 60, // `serve` takes up to 30 s to answer what is in flight
    containers: [
      {
        name: 'ballast',
        image: options.image,
        imagePullPolicy: 'IfNotPresent',
        args: serveArguments(options),
        ...(options.metrics && { ports: [{ name: 'metrics', containerPort: metricsPort }] }),
        // Disks of the machine; io_uring, which the default profile of containerd refuses; locked memory.
        securityContext: { privileged: true },
        readinessProbe: {
          httpGet: { host: '127.0.0.1', port: apiPort, path: '/v1/health' },
          periodSeconds: 10,
        },
        resources: requests('1', '1Gi'),
        volumeMounts: [
          { name: 'data', mountPath: options.dataDirectory },
          { name: 'keys', mountPath: options.keyDirectory },
          { name: 'dev', mountPath: '/dev' },
        ],
      },
    ],
    volumes: [
      hostPath('data', options.dataDirectory),
      hostPath('keys', options.keyDirectory),
      hostPath('dev', '/dev', 'Directory'),
    ],
  };
}

function serveArguments({
  dataDirectory,
  keyDirectory,
  storageInterface,
  metrics,
}: ManifestOptions): string[] {
  return [
    'serve',
    `--data=${dataDirectory}`,
    `--key-file=${keyDirectory}/volume-keys`,
    `--storage-interface=${storageInterface}`,
    `--api-listen=127.0.0.1:${apiPort}`,
    ...(metrics ? [`--metrics-listen=0.0.0.0:${metricsPort}`] : []),
  ];
}
