// The part of pods that our manifests and examples use, strictly: a field that is not here is a mistake until
// it is added. Names and shapes: the Kubernetes API reference, core/v1.
import { type TProperties, type TSchema, Type } from '@sinclair/typebox';

/** No field but these; a `?` in front of what may be absent is Type.Optional. */
export const strict = (properties: TProperties) => Type.Object(properties, { additionalProperties: false });
export const maybe = <T extends TSchema>(schema: T) => Type.Optional(schema);
export const text = Type.String({ minLength: 1 });
export const texts = Type.Record(Type.String(), Type.String());
export const flag = Type.Boolean();
export const quantity = Type.String({ pattern: '^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$' });
export const port = Type.Integer({ minimum: 1, maximum: 65_535 });
export const dnsName = Type.String({ pattern: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$' });
const label = Type.String({ maxLength: 63, pattern: '^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$' });
export const oneOf = (...words: readonly string[]) => Type.Union(words.map((word) => Type.Literal(word)));

export const metadata = strict({
  name: dnsName,
  namespace: maybe(dnsName),
  labels: maybe(Type.Record(Type.String({ pattern: '^([a-z0-9.-]+/)?[A-Za-z0-9._-]{1,63}$' }), label)),
  annotations: maybe(texts),
});
export const templateMetadata = strict({ labels: texts, annotations: maybe(texts) });
export const labelSelector = strict({
  matchLabels: maybe(texts),
  matchExpressions: maybe(
    Type.Array(
      strict({
        key: text,
        operator: oneOf('In', 'NotIn', 'Exists', 'DoesNotExist'),
        values: Type.Array(text),
      }),
    ),
  ),
});

const probe = strict({
  httpGet: strict({ host: maybe(text), path: text, port }),
  initialDelaySeconds: maybe(Type.Integer()),
  periodSeconds: maybe(Type.Integer()),
  timeoutSeconds: maybe(Type.Integer()),
  failureThreshold: maybe(Type.Integer()),
});

const container = strict({
  name: dnsName,
  image: text,
  imagePullPolicy: maybe(oneOf('Always', 'IfNotPresent', 'Never')),
  command: maybe(Type.Array(text)),
  args: maybe(Type.Array(text)),
  env: maybe(
    Type.Array(strict({ name: text, valueFrom: strict({ fieldRef: strict({ fieldPath: text }) }) })),
  ),
  ports: maybe(Type.Array(strict({ name: Type.String({ maxLength: 15 }), containerPort: port }))),
  securityContext: maybe(
    strict({
      privileged: maybe(flag),
      runAsUser: maybe(Type.Integer()),
      runAsNonRoot: maybe(flag),
      allowPrivilegeEscalation: maybe(flag),
      readOnlyRootFilesystem: maybe(flag),
      capabilities: maybe(strict({ drop: Type.Array(text) })),
      seccompProfile: maybe(strict({ type: oneOf('RuntimeDefault', 'Unconfined') })),
    }),
  ),
  livenessProbe: maybe(probe),
  readinessProbe: maybe(probe),
  resources: maybe(
    strict({
      requests: maybe(Type.Record(Type.String(), quantity)),
      limits: maybe(Type.Record(Type.String(), quantity)),
    }),
  ),
  volumeMounts: maybe(
    Type.Array(
      strict({
        name: dnsName,
        mountPath: Type.String({ pattern: '^/' }),
        readOnly: maybe(flag),
        mountPropagation: maybe(oneOf('None', 'HostToContainer', 'Bidirectional')),
      }),
    ),
  ),
  volumeDevices: maybe(Type.Array(strict({ name: dnsName, devicePath: Type.String({ pattern: '^/' }) }))),
});

const source = oneOf('Directory', 'DirectoryOrCreate', 'File', 'Socket');
export const claimSpec = strict({
  accessModes: Type.Array(oneOf('ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'), {
    minItems: 1,
  }),
  volumeMode: maybe(oneOf('Filesystem', 'Block')),
  storageClassName: maybe(dnsName),
  volumeAttributesClassName: maybe(dnsName),
  resources: strict({ requests: strict({ storage: quantity }) }),
  dataSource: maybe(
    strict({
      apiGroup: maybe(Type.Literal('snapshot.storage.k8s.io')),
      kind: oneOf('VolumeSnapshot', 'PersistentVolumeClaim'),
      name: dnsName,
    }),
  ),
});

const volume = strict({
  name: dnsName,
  emptyDir: maybe(strict({})),
  hostPath: maybe(strict({ path: Type.String({ pattern: '^/' }), type: source })),
  secret: maybe(strict({ secretName: dnsName, defaultMode: maybe(Type.Integer({ maximum: 0o777 })) })),
  persistentVolumeClaim: maybe(strict({ claimName: dnsName })),
  csi: maybe(strict({ driver: dnsName, fsType: maybe(text), volumeAttributes: maybe(texts) })),
  ephemeral: maybe(
    strict({ volumeClaimTemplate: strict({ metadata: maybe(templateMetadata), spec: claimSpec }) }),
  ),
});

export const podSpec = strict({
  serviceAccountName: maybe(dnsName),
  automountServiceAccountToken: maybe(flag),
  hostNetwork: maybe(flag),
  dnsPolicy: maybe(oneOf('ClusterFirst', 'ClusterFirstWithHostNet')),
  priorityClassName: maybe(dnsName),
  nodeSelector: maybe(texts),
  tolerations: maybe(Type.Array(strict({ operator: oneOf('Exists', 'Equal'), key: maybe(text) }))),
  terminationGracePeriodSeconds: maybe(Type.Integer({ minimum: 1 })),
  restartPolicy: maybe(oneOf('Always', 'OnFailure', 'Never')),
  securityContext: maybe(
    strict({
      runAsUser: maybe(Type.Integer()),
      runAsNonRoot: maybe(flag),
      fsGroup: maybe(Type.Integer()),
      fsGroupChangePolicy: maybe(oneOf('OnRootMismatch', 'Always')),
    }),
  ),
  initContainers: maybe(Type.Array(container)),
  containers: Type.Array(container, { minItems: 1 }),
  volumes: maybe(Type.Array(volume)),
});
