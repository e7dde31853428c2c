// The pods of a cluster: a controller, on the storage node, and an agent on each node with disks. DaemonSets
// that are updated OnDelete, as the pod of one storage node is: one node at a time, while all volumes are
// healthy. An agent's pod joins once, by a token that is mounted as a file; until it is there the pod waits.
import type { DaemonSet } from 'kubernetes-types/apps/v1.d.ts';
import type { Container, PodSpec } from 'kubernetes-types/core/v1.d.ts';
import { type Component, hostPath, named, namespaced, nodeName, podsOf, requests } from './common.js';
import {
  agentApiPort,
  apiPort,
  type ClusterOptions,
  joinPort,
  type ManifestOptions,
  metricsPort,
  storePort,
} from './options.js';

const tokenDirectory = '/var/run/secrets/ballast-join';

export function storageCluster(options: ManifestOptions, cluster: ClusterOptions): readonly DaemonSet[] {
  return [
    set(options, 'controller', controllerPod(options, cluster)),
    set(options, 'storage', agentPod(options, cluster)),
  ];
}

function set(options: ManifestOptions, component: Component, pod: PodSpec): DaemonSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: namespaced(options, named(component), component),
    spec: { updateStrategy: { type: 'OnDelete' }, ...podsOf(component, pod) },
  };
}

const shared = {
  serviceAccountName: named('storage'),
  automountServiceAccountToken: false,
  hostNetwork: true, // the storage network as it is, with no overlay in the path
  dnsPolicy: 'ClusterFirstWithHostNet',
  priorityClassName: 'system-node-critical',
  tolerations: [{ operator: 'Exists' }],
  terminationGracePeriodSeconds: 60, // an agent hands over what it is head of
} satisfies Partial<PodSpec>;

/** Its store is in its state directory: it stays on its node. */
function controllerPod(options: ManifestOptions, { controllerAddress }: ClusterOptions): PodSpec {
  return {
    ...shared,
    nodeSelector: { 'kubernetes.io/hostname': options.storageNode },
    containers: [
      {
        ...container(options, [
          'controller',
          `--data=${options.dataDirectory}`,
          `--listen=${controllerAddress}:${storePort}`,
          `--join-listen=${controllerAddress}:${joinPort}`,
          `--api-listen=127.0.0.1:${apiPort}`,
        ]),
        readinessProbe: readiness(apiPort),
        resources: requests('250m', '512Mi'),
        volumeMounts: [{ name: 'data', mountPath: options.dataDirectory }],
      },
    ],
    volumes: [hostPath('data', options.dataDirectory)],
  };
}

function agentPod(options: ManifestOptions, cluster: ClusterOptions): PodSpec {
  const { joinSecret, nodeLabel, nodeDirectory } = cluster;
  const data = { name: 'data', mountPath: nodeDirectory };
  const { metrics } = options;
  return {
    ...shared,
    nodeSelector: { [nodeLabel.key]: nodeLabel.value },
    initContainers: [
      {
        ...container(options, []),
        name: 'join',
        command: ['sh', '-c', joinScript(cluster)],
        env: [nodeName],
        resources: requests('10m', '64Mi'),
        volumeMounts: [data, { name: 'join-token', mountPath: tokenDirectory, readOnly: true }],
      },
    ],
    containers: [
      {
        ...container(options, agentArguments(options, cluster)),
        env: [nodeName],
        ...(metrics && { ports: [{ name: 'metrics', containerPort: metricsPort }] }),
        readinessProbe: readiness(agentApiPort),
        resources: requests('1', '1Gi'),
        volumeMounts: [data, { name: 'dev', mountPath: '/dev' }],
      },
    ],
    volumes: [
      hostPath('data', nodeDirectory),
      hostPath('dev', '/dev', 'Directory'),
      { name: 'join-token', secret: { secretName: joinSecret, defaultMode: 0o400 } },
    ],
  };
}

/** node.pem is written last: with it the node has joined, and its token may have expired long ago. */
function joinScript({ nodeDirectory, controllerAddress }: ClusterOptions): string {
  return [
    `test -e ${nodeDirectory}/cluster/node.pem || exec ballast node join --data=${nodeDirectory}`,
    `--name="$NODE_NAME" --controller=${controllerAddress}:${joinPort} --token-file=${tokenDirectory}/token`,
  ].join(' ');
}

function agentArguments(
  { storageInterface, metrics }: ManifestOptions,
  { nodeDirectory, pool }: ClusterOptions,
): string[] {
  return [
    'agent',
    `--data=${nodeDirectory}`,
    '--name=$(NODE_NAME)',
    `--storage-interface=${storageInterface}`,
    `--ensure-pool=${pool}`,
    `--api-listen=127.0.0.1:${agentApiPort}`,
    ...(metrics ? [`--metrics-listen=0.0.0.0:${metricsPort}`] : []),
  ];
}

function container({ image }: ManifestOptions, args: string[]): Container {
  return {
    name: 'ballast',
    image,
    imagePullPolicy: 'IfNotPresent',
    ...(args.length > 0 && { args }),
    // Disks of the machine; io_uring, which the default profile of containerd refuses; locked memory.
    securityContext: { privileged: true },
  };
}

function readiness(port: number): NonNullable<Container['readinessProbe']> {
  return { httpGet: { host: '127.0.0.1', port, path: '/v1/health' }, periodSeconds: 10 };
}
