// Who may do what with the API of the cluster. A ClusterRole for each sidecar, so that one can be looked at
// beside what its program asks for; all of them are of the controller's account. Pods that serve volumes and
// plug-ins of nodes may nothing, and get no token. Nobody may read secrets.
import type { ServiceAccount } from 'kubernetes-types/core/v1.d.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
} from 'kubernetes-types/rbac/v1.d.ts';
import { appName, type Component, meta, named, namespaced } from './common.js';
import type { ManifestOptions } from './options.js';

const read = ['get', 'list', 'watch'];
const component = 'csi-controller';
const group = 'rbac.authorization.k8s.io';

export type RbacObject = ServiceAccount | ClusterRole | ClusterRoleBinding | Role | RoleBinding;

export function rbac(options: ManifestOptions): readonly RbacObject[] {
  const accounts = (['storage', 'csi-controller', 'csi-node'] as const).map((of) => account(options, of));
  const roles = Object.entries(clusterRules(options)).flatMap(([name, rules]) => [
    clusterRole(options, `${appName}-${name}`, rules),
    clusterRoleBinding(options, `${appName}-${name}`),
  ]);
  return [...accounts, ...roles, ...ownNamespace(options)];
}

function clusterRules(options: ManifestOptions): Readonly<Record<string, PolicyRule[]>> {
  return {
    'csi-provisioner': provisioner(options),
    'csi-attacher': attacher,
    'csi-resizer': resizer,
    ...(options.snapshots && { 'csi-snapshotter': snapshotter(options) }),
    'csi-health-monitor': healthMonitor,
    ...(options.snapshotMetadata && { 'csi-snapshot-metadata': snapshotMetadata }),
  };
}

function rule(apiGroup: string, resources: string[], verbs: string[]): PolicyRule {
  return { apiGroups: [apiGroup], resources, verbs };
}

const events = rule('', ['events'], ['list', 'watch', 'create', 'update', 'patch']);

function provisioner({ snapshots }: ManifestOptions): PolicyRule[] {
  return [
    rule('', ['persistentvolumes'], [...read, 'create', 'patch', 'delete']),
    rule('', ['persistentvolumeclaims'], [...read, 'update']),
    rule('', ['nodes'], read),
    rule(
      'storage.k8s.io',
      ['storageclasses', 'csinodes', 'volumeattachments', 'volumeattributesclasses'],
      read,
    ),
    ...(snapshots
      ? [rule('snapshot.storage.k8s.io', ['volumesnapshots', 'volumesnapshotcontents'], ['get', 'list'])]
      : []),
    events,
  ];
}

const attacher = [
  rule('', ['persistentvolumes'], [...read, 'patch']),
  rule('storage.k8s.io', ['csinodes'], read),
  rule('storage.k8s.io', ['volumeattachments'], [...read, 'patch']),
  rule('storage.k8s.io', ['volumeattachments/status'], ['patch']),
];

const resizer = [
  rule('', ['persistentvolumes'], [...read, 'patch']),
  rule('', ['persistentvolumeclaims', 'pods'], read),
  rule('', ['persistentvolumeclaims/status'], ['patch']),
  rule('storage.k8s.io', ['volumeattributesclasses'], read),
  events,
];

function snapshotter({ groupSnapshots }: ManifestOptions): PolicyRule[] {
  const kinds = (apiGroup: string, kind: string) => [
    rule(apiGroup, [`${kind}classes`], read),
    rule(apiGroup, [`${kind}contents`], [...read, 'update', 'patch']),
    rule(apiGroup, [`${kind}contents/status`], ['update', 'patch']),
  ];
  return [
    ...kinds('snapshot.storage.k8s.io', 'volumesnapshot'),
    // Those of the members of a group are made by the sidecar.
    ...(groupSnapshots
      ? [
          rule('snapshot.storage.k8s.io', ['volumesnapshotcontents'], ['create']),
          ...kinds('groupsnapshot.storage.k8s.io', 'volumegroupsnapshot'),
        ]
      : []),
    events,
  ];
}

const healthMonitor = [
  rule('', ['persistentvolumes', 'persistentvolumeclaims', 'nodes', 'pods'], read),
  events,
];

const snapshotMetadata = [
  rule('cbt.storage.k8s.io', ['snapshotmetadataservices'], ['get', 'list']),
  rule('authentication.k8s.io', ['tokenreviews'], ['create']),
  rule('authorization.k8s.io', ['subjectaccessreviews'], ['create']),
  rule('snapshot.storage.k8s.io', ['volumesnapshots', 'volumesnapshotcontents'], ['get', 'list']),
];

/** Leader election; objects that say how much room there is, owned by the Deployment above the pod. */
function ownNamespace(options: ManifestOptions): (Role | RoleBinding)[] {
  const metadata = namespaced(options, named(component), component);
  const rules = [
    rule('coordination.k8s.io', ['leases'], [...read, 'create', 'update', 'patch', 'delete']),
    rule('storage.k8s.io', ['csistoragecapacities'], [...read, 'create', 'update', 'patch', 'delete']),
    rule('', ['pods'], ['get']),
    rule('apps', ['replicasets'], ['get']),
  ];
  return [
    { apiVersion: `${group}/v1`, kind: 'Role', metadata, rules },
    {
      apiVersion: `${group}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: group, kind: 'Role', name: named(component) },
      subjects: subjects(options),
    },
  ];
}

function account(options: ManifestOptions, of: Component): ServiceAccount {
  const automount = of === component;
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: namespaced(options, named(of), of),
    automountServiceAccountToken: automount,
  };
}

function clusterRole(options: ManifestOptions, name: string, rules: PolicyRule[]): ClusterRole {
  return { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: meta(options, name, component), rules };
}

function clusterRoleBinding(options: ManifestOptions, name: string): ClusterRoleBinding {
  return {
    apiVersion: `${group}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: meta(options, name, component),
    roleRef: { apiGroup: group, kind: 'ClusterRole', name },
    subjects: subjects(options),
  };
}

function subjects({ namespace }: ManifestOptions) {
  return [{ kind: 'ServiceAccount', name: named(component), namespace }];
}
