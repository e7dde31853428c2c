// All objects, in an order in which they can be created: who acts before what acts.
import type { Namespace } from 'kubernetes-types/core/v1.d.ts';
import { csiDriver, snapshotClasses, storageClass, volumeAttributesClasses } from './classes.js';
import { csiMetrics, disruptionBudget, networkPolicy, storageMetrics } from './cluster.js';
import { type ManifestObject, meta } from './common.js';
import { controller } from './controller.js';
import { node } from './node.js';
import { checkOptions, type ManifestOptions } from './options.js';
import { rbac } from './rbac.js';
import { snapshotMetadata } from './snapshot-metadata.js';
import { storage } from './storage.js';
import { storageCluster } from './storage-cluster.js';

/** INVALID_ARGUMENT for an option that the API of Kubernetes would refuse. */
export function manifests(unchecked: ManifestOptions): readonly ManifestObject[] {
  const options = checkOptions(unchecked);
  const { metrics, monitors } = options;
  return [
    namespace(options),
    ...rbac(options),
    csiDriver(options),
    ...(options.cluster === undefined ? [storage(options)] : storageCluster(options, options.cluster)),
    controller(options),
    node(options),
    disruptionBudget(options),
    networkPolicy(options),
    ...(metrics ? storageMetrics(options) : []),
    ...(metrics && monitors ? [csiMetrics(options)] : []),
    ...snapshotMetadata(options),
    storageClass(options),
    ...volumeAttributesClasses(options),
    ...snapshotClasses(options),
  ] as readonly ManifestObject[];
}

// Its pods use disks and networks of the machine: a cluster that checks pods has to be told.
function namespace(options: ManifestOptions): Namespace {
  const { labels, ...rest } = meta(options, options.namespace);
  const enforced = { ...labels, 'pod-security.kubernetes.io/enforce': 'privileged' };
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { ...rest, labels: enforced } };
}
