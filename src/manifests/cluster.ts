// What surrounds the pods: how many may be away at once, who may talk to them, who measures them. Pods in the
// host's network are under no NetworkPolicy; the controller is the one that is not.
import type { Service } from 'kubernetes-types/core/v1.d.ts';
import type { NetworkPolicy, NetworkPolicyIngressRule } from 'kubernetes-types/networking/v1.d.ts';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts';
import { appName, type Component, type ManifestObject, named, namespaced, selector } from './common.js';
import { type ManifestOptions, metricsPort } from './options.js';
import { metadataPort } from './snapshot-metadata.js';

const component = 'csi-controller';
const tcp = (port: number) => ({ protocol: 'TCP', port });

export function disruptionBudget(options: ManifestOptions): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: namespaced(options, named(component), component),
    spec: { maxUnavailable: 1, selector: { matchLabels: selector(component) } },
  };
}

/**
 * Into the controller: metrics and changed blocks. Out of it: names and the API server, whose address only
 * the cluster knows. Probes come from the kubelet, which no policy stops.
 */
export function networkPolicy(options: ManifestOptions): NetworkPolicy {
  const ingress: NetworkPolicyIngressRule[] = [
    ...(options.metrics ? [{ ports: [tcp(metricsPort)] }] : []),
    ...(options.snapshotMetadata ? [{ ports: [tcp(metadataPort)] }] : []),
  ];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: namespaced(options, named(component), component),
    spec: {
      podSelector: { matchLabels: selector(component) },
      policyTypes: ['Ingress', 'Egress'],
      ingress,
      egress: [{ ports: [{ protocol: 'UDP', port: 53 }, tcp(53), tcp(443), tcp(6443)] }],
    },
  };
}

interface Monitor extends ManifestObject {
  readonly spec: object;
}

/** Of the pod that serves volumes, with what finds it. */
export function storageMetrics(options: ManifestOptions): readonly (Service | Monitor)[] {
  const name = named('storage');
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: namespaced(options, name, 'storage'),
    spec: {
      clusterIP: 'None',
      selector: selector('storage'),
      ports: [{ name: 'metrics', protocol: 'TCP', port: metricsPort, targetPort: metricsPort }],
    },
  };
  if (!options.monitors) return [service];
  const monitor = {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'ServiceMonitor',
    metadata: namespaced(options, name, 'storage'),
    spec: {
      selector: { matchLabels: selector('storage') },
      endpoints: [{ port: 'metrics', path: '/metrics', interval: '15s' }],
    },
  };
  return [service, monitor];
}

/** Of the CSI processes, of which nobody needs to be found by name. */
export function csiMetrics(options: ManifestOptions): Monitor {
  const pods: readonly Component[] = ['csi-controller', 'csi-node'];
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PodMonitor',
    metadata: namespaced(options, `${appName}-csi`),
    spec: {
      selector: {
        matchLabels: { 'app.kubernetes.io/name': appName },
        matchExpressions: [{ key: 'app.kubernetes.io/component', operator: 'In', values: pods }],
      },
      podMetricsEndpoints: [{ port: 'metrics', path: '/metrics', interval: '30s' }],
    },
  };
}
