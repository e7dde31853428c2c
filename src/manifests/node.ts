// The CSI plug-in of every node: attaches, formats and mounts. Apart from the pod that serves volumes, so
// that a new version of it interrupts nobody's I/O. Privileged: it mounts for other pods and makes block
// devices.
import type { DaemonSet } from 'kubernetes-types/apps/v1.d.ts';
import type { Container, PodSpec, Volume, VolumeMount } from 'kubernetes-types/core/v1.d.ts';
import {
  hostPath,
  named,
  namespaced,
  nodeName,
  podsOf,
  requests,
  topologyKey,
  zoneArguments,
} from './common.js';
import { type ManifestOptions, metricsPort } from './options.js';
import { images, livenessProbe, sidecar, socketMount } from './sidecars.js';

const component = 'csi-node';
const healthPort = 9809;
const registrarPort = 9810;
// Beside that of the storage pod, in the same network.
const nodeMetricsPort = metricsPort + 1;
const tokenDirectory = '/var/run/secrets/ballast';

export function node(options: ManifestOptions): DaemonSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: namespaced(options, named(component), component),
    spec: {
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      ...podsOf(component, pod(options)),
    },
  };
}

function pod(options: ManifestOptions): PodSpec {
  return {
    serviceAccountName: named(component),
    automountServiceAccountToken: false,
    hostNetwork: true, // connections to targets are made in the network of this pod
    dnsPolicy: 'ClusterFirstWithHostNet',
    priorityClassName: 'system-node-critical',
    tolerations: [{ operator: 'Exists' }],
    containers: [driver(options), registrar(options), livenessProbe(`127.0.0.1:${healthPort}`)],
    volumes: volumes(options),
  };
}

function driver(options: ManifestOptions): Container {
  return {
    name: 'ballast',
    image: options.image,
    imagePullPolicy: 'IfNotPresent',
    args: driverArguments(options),
    ...(asksForZone(options) && { env: [nodeName] }),
    ...(options.metrics && { ports: [{ name: 'metrics', containerPort: nodeMetricsPort }] }),
    securityContext: { privileged: true },
    livenessProbe: {
      httpGet: { host: '127.0.0.1', path: '/healthz', port: healthPort },
      initialDelaySeconds: 10,
      periodSeconds: 20,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    resources: requests('50m', '128Mi'),
    volumeMounts: mounts(options),
  };
}

function asksForZone({ cluster }: ManifestOptions): boolean {
  return cluster?.zoneKey !== undefined;
}

function driverArguments(options: ManifestOptions): string[] {
  const { api } = options;
  return [
    'csi',
    '--mode=node',
    '--endpoint=unix:///csi/csi.sock',
    ...(api === undefined
      ? [`--data=${options.dataDirectory}`]
      : [`--api=${api.url}`, `--token-file=${tokenDirectory}/token`]),
    `--driver-name=${options.driverName}`,
    `--driver=${options.attachDriver}`,
    `--kubelet-dir=${options.kubeletDirectory}`,
    `--topology=${topologyKey(options)}=${options.storageNode}`,
    ...zoneArguments(options),
    ...(asksForZone(options) ? ['--node-name=$(NODE_NAME)'] : []),
    ...(options.metrics ? [`--metrics-listen=0.0.0.0:${nodeMetricsPort}`] : []),
  ];
}

function mounts({ kubeletDirectory, dataDirectory, api }: ManifestOptions): VolumeMount[] {
  return [
    socketMount,
    { name: 'kubelet', mountPath: kubeletDirectory, mountPropagation: 'Bidirectional' },
    { name: 'run', mountPath: '/run/ballast', mountPropagation: 'Bidirectional' },
    { name: 'dev', mountPath: '/dev' },
    { name: 'sys', mountPath: '/sys' },
    { name: 'modules', mountPath: '/lib/modules', readOnly: true },
    { name: 'nvme', mountPath: '/etc/nvme' },
    api === undefined
      ? { name: 'data', mountPath: dataDirectory, readOnly: true }
      : { name: 'token', mountPath: tokenDirectory, readOnly: true },
  ];
}

function volumes({ kubeletDirectory, driverName, dataDirectory, api }: ManifestOptions): Volume[] {
  return [
    hostPath('socket', `${kubeletDirectory}/plugins/${driverName}`),
    hostPath('registration', `${kubeletDirectory}/plugins_registry`, 'Directory'),
    hostPath('kubelet', kubeletDirectory, 'Directory'),
    hostPath('run', '/run/ballast'),
    hostPath('dev', '/dev', 'Directory'),
    hostPath('sys', '/sys', 'Directory'),
    hostPath('modules', '/lib/modules', 'Directory'),
    hostPath('nvme', '/etc/nvme'),
    api === undefined
      ? hostPath('data', dataDirectory)
      : { name: 'token', secret: { secretName: api.tokenSecret, defaultMode: 0o400 } },
  ];
}

function registrar({ kubeletDirectory, driverName }: ManifestOptions): Container {
  const container = sidecar('node-driver-registrar', images.nodeDriverRegistrar, [
    '--csi-address=/csi/csi.sock',
    `--kubelet-registration-path=${kubeletDirectory}/plugins/${driverName}/csi.sock`,
    `--http-endpoint=127.0.0.1:${registrarPort}`,
  ]);
  return { ...container, volumeMounts: [socketMount, { name: 'registration', mountPath: '/registration' }] };
}
