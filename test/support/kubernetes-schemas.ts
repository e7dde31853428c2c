// The kinds that we ship, strictly, each with its one apiVersion; `problemsOf` is what kubeconform would say.
// `npm run test:helm` decodes the same objects with the types of Kubernetes itself.
import { type TSchema, Type } from '@sinclair/typebox';
import { Ajv } from 'ajv';
import * as pod from './kubernetes-pod-schemas.js';

const { dnsName, flag, labelSelector, maybe, metadata, oneOf, podSpec, port, strict, text, texts } = pod;

const template = strict({ metadata: pod.templateMetadata, spec: podSpec });
const policyRule = strict({
  apiGroups: Type.Array(Type.String(), { minItems: 1 }),
  resources: Type.Array(text, { minItems: 1 }),
  verbs: Type.Array(oneOf('get', 'list', 'watch', 'create', 'update', 'patch', 'delete'), { minItems: 1 }),
});
const rbacGroup = Type.Literal('rbac.authorization.k8s.io');
const roleRef = strict({ apiGroup: rbacGroup, kind: oneOf('Role', 'ClusterRole'), name: text });
const subjects = Type.Array(strict({ kind: Type.Literal('ServiceAccount'), name: text, namespace: text }));
const policyPorts = Type.Array(strict({ protocol: oneOf('TCP', 'UDP'), port }));
const policyRules = Type.Array(strict({ ports: policyPorts }));
const endpoint = strict({ port: text, path: text, interval: Type.String({ pattern: '^\\d+s$' }) });
const deletionPolicy = oneOf('Delete', 'Retain');
const updateStrategy = strict({
  type: oneOf('OnDelete', 'RollingUpdate'),
  rollingUpdate: maybe(strict({ maxUnavailable: Type.Integer() })),
});

/** "apiVersion kind" to its fields but those two and metadata. */
const kinds: Readonly<Record<string, Readonly<Record<string, TSchema>>>> = {
  'v1 Namespace': {},
  'v1 ServiceAccount': { automountServiceAccountToken: maybe(flag) },
  'v1 Pod': { spec: podSpec },
  'v1 PersistentVolumeClaim': { spec: pod.claimSpec },
  'v1 Service': {
    spec: strict({
      clusterIP: maybe(Type.Literal('None')),
      selector: texts,
      ports: Type.Array(strict({ name: text, protocol: oneOf('TCP'), port, targetPort: maybe(port) })),
    }),
  },
  'apps/v1 Deployment': {
    spec: strict({ replicas: Type.Integer({ minimum: 1 }), selector: labelSelector, template }),
  },
  'apps/v1 DaemonSet': { spec: strict({ selector: labelSelector, updateStrategy, template }) },
  'apps/v1 StatefulSet': {
    spec: strict({
      serviceName: dnsName,
      replicas: Type.Integer({ minimum: 1 }),
      selector: labelSelector,
      template,
      volumeClaimTemplates: Type.Array(strict({ metadata, spec: pod.claimSpec })),
    }),
  },
  'rbac.authorization.k8s.io/v1 ClusterRole': { rules: Type.Array(policyRule) },
  'rbac.authorization.k8s.io/v1 Role': { rules: Type.Array(policyRule) },
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': { roleRef, subjects },
  'rbac.authorization.k8s.io/v1 RoleBinding': { roleRef, subjects },
  'policy/v1 PodDisruptionBudget': {
    spec: strict({ maxUnavailable: Type.Integer({ minimum: 1 }), selector: labelSelector }),
  },
  'networking.k8s.io/v1 NetworkPolicy': {
    spec: strict({
      podSelector: labelSelector,
      policyTypes: Type.Array(oneOf('Ingress', 'Egress')),
      ingress: policyRules,
      egress: policyRules,
    }),
  },
  'storage.k8s.io/v1 CSIDriver': {
    spec: strict({
      attachRequired: flag,
      podInfoOnMount: flag,
      fsGroupPolicy: oneOf('File', 'None', 'ReadWriteOnceWithFSType'),
      volumeLifecycleModes: Type.Array(oneOf('Persistent', 'Ephemeral')),
      storageCapacity: flag,
    }),
  },
  'storage.k8s.io/v1 StorageClass': {
    provisioner: dnsName,
    parameters: texts,
    allowVolumeExpansion: flag,
    reclaimPolicy: deletionPolicy,
    volumeBindingMode: oneOf('Immediate', 'WaitForFirstConsumer'),
  },
  'storage.k8s.io/v1 VolumeAttributesClass': { driverName: dnsName, parameters: texts },
  'snapshot.storage.k8s.io/v1 VolumeSnapshotClass': { driver: dnsName, deletionPolicy },
  'snapshot.storage.k8s.io/v1 VolumeSnapshot': {
    spec: strict({
      volumeSnapshotClassName: dnsName,
      source: strict({ persistentVolumeClaimName: dnsName }),
    }),
  },
  'groupsnapshot.storage.k8s.io/v1 VolumeGroupSnapshotClass': { driver: dnsName, deletionPolicy },
  'groupsnapshot.storage.k8s.io/v1 VolumeGroupSnapshot': {
    spec: strict({ volumeGroupSnapshotClassName: dnsName, source: strict({ selector: labelSelector }) }),
  },
  'cbt.storage.k8s.io/v1alpha1 SnapshotMetadataService': {
    spec: strict({ address: text, audience: text, caCert: text }),
  },
  'monitoring.coreos.com/v1 ServiceMonitor': {
    spec: strict({ selector: labelSelector, endpoints: Type.Array(endpoint) }),
  },
  'monitoring.coreos.com/v1 PodMonitor': {
    spec: strict({ selector: labelSelector, podMetricsEndpoints: Type.Array(endpoint) }),
  },
};

const ajv = new Ajv({ strict: false });
const validators = new Map(
  Object.entries(kinds).map(([name, fields]) => {
    const [apiVersion = '', kind = ''] = name.split(' ');
    const head = { apiVersion: Type.Literal(apiVersion), kind: Type.Literal(kind), metadata };
    return [name, ajv.compile(strict({ ...head, ...fields }))] as const;
  }),
);

/** What is wrong with an object, as PATH: MESSAGE; nothing if it is right. */
export function problemsOf(object: object): readonly string[] {
  const { apiVersion, kind } = object as { apiVersion?: unknown; kind?: unknown };
  const validate = validators.get(`${String(apiVersion)} ${String(kind)}`);
  if (validate === undefined) return [`${String(apiVersion)} ${String(kind)}: no such kind is known`];
  if (validate(object)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath || '/'}: ${message} ${JSON.stringify(params)}`,
  );
}
