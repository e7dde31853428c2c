// Names, labels and images that all of the objects share.
import type { Container, PodSpec, SecurityContext, Volume } from 'kubernetes-types/core/v1.d.ts';
import type { ObjectMeta } from 'kubernetes-types/meta/v1.d.ts';
import type { ManifestOptions } from './options.js';

export const appName = 'ballast';

export type Component = 'storage' | 'controller' | 'csi-controller' | 'csi-node';

export interface ManifestObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** Of what belongs to the whole cluster; with a namespace see `namespaced`. */
export function meta(options: ManifestOptions, name: string, component?: Component): ObjectMeta {
  return { name, labels: labels(options, component) };
}

export function namespaced(options: ManifestOptions, name: string, component?: Component): ObjectMeta {
  return { name, namespace: options.namespace, labels: labels(options, component) };
}

/** What finds the pods of a component. It can never change: a Deployment's selector is immutable. */
export function selector(component: Component): Record<string, string> {
  return { 'app.kubernetes.io/name': appName, 'app.kubernetes.io/component': component };
}

/** What a workload says of its pods: the labels that find them, and what they are. */
export function podsOf(component: Component, spec: PodSpec) {
  const labels = selector(component);
  return { selector: { matchLabels: labels }, template: { metadata: { labels: { ...labels } }, spec } };
}

export function named(component: Component): string {
  return `${appName}-${component}`;
}

/** Which target nodes reach: all of them the one there is. Scheduling and capacity go by it. */
export function topologyKey({ driverName }: ManifestOptions): string {
  return `topology.${driverName}/target`;
}

/** Zones of a cluster are topology, too, where a label is chosen for them. */
export function zoneArguments({ cluster }: ManifestOptions): string[] {
  return cluster?.zoneKey === undefined ? [] : [`--zone-key=${cluster.zoneKey}`];
}

/** Of the pod's node, as a variable of a container. */
export const nodeName = { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } };

/** Of a program that needs nothing of the machine but a root-owned socket. */
export const confined: SecurityContext = {
  runAsUser: 0,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

export function requests(cpu: string, memory: string): NonNullable<Container['resources']> {
  return { requests: { cpu, memory } };
}

export function hostPath(name: string, path: string, type = 'DirectoryOrCreate'): Volume {
  return { name, hostPath: { path, type } };
}

function labels({ version }: ManifestOptions, component?: Component): Record<string, string> {
  return {
    'app.kubernetes.io/name': appName,
    'app.kubernetes.io/instance': appName,
    'app.kubernetes.io/version': version,
    'app.kubernetes.io/managed-by': 'ballast',
    ...(component !== undefined && { 'app.kubernetes.io/component': component }),
  };
}
