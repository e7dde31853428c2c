// What can be chosen of the objects, with what stands where nothing is. The values of the chart have the same
// names.
import { InvalidArgumentError } from '../base/errors.js';

export interface ManifestOptions {
  readonly version: string;
  readonly namespace: string;
  readonly image: string;
  readonly driverName: string;
  /** The node whose disks are served, as Kubernetes calls it. */
  readonly storageNode: string;
  /** Of that node: volumes are served on its address, and on no other. */
  readonly storageInterface: string;
  readonly dataDirectory: string;
  /** Apart from the rest: only the pod that serves volumes sees it. */
  readonly keyDirectory: string;
  readonly kubeletDirectory: string;
  readonly attachDriver: string;
  /** How node plug-ins reach the REST API: an address that all nodes reach, with TLS before it. */
  readonly api?: { readonly url: string; readonly tokenSecret: string };
  readonly metrics: boolean;
  /** Objects of the Prometheus operator. */
  readonly monitors: boolean;
  readonly snapshots: boolean;
  readonly groupSnapshots: boolean;
  readonly snapshotMetadata?: { readonly tlsSecret: string; readonly caCert: string };
  readonly defaultClass: boolean;
  /** Volumes with replicas on several nodes; absent: those of the storage node alone. */
  readonly cluster?: ClusterOptions;
}

export interface ClusterOptions {
  /** Address of the storage node on the storage network: the controller is reached at it by the others. */
  readonly controllerAddress: string;
  /** Secret whose key `token` is a join token. */
  readonly joinSecret: string;
  /** NAME=PATH[:SIZE]: each node makes this pool of a disk that all of them have under one path. */
  readonly pool: string;
  /** Label of the nodes with disks. */
  readonly nodeLabel: { readonly key: string; readonly value: string };
  /** State directory of their agents. Not that of the controller, which may be on one of them. */
  readonly nodeDirectory: string;
  /** Label of nodes under which zones are told; nodes ask for theirs, by the API. */
  readonly zoneKey?: string;
}

/** Of a pod, on a port that Prometheus may reach. */
export const metricsPort = 9420;
export const apiPort = 8420;
/** Of an agent, which may be on the machine of the controller. */
export const agentApiPort = 8422;
export const storePort = 8430;
export const joinPort = 8431;

const namePattern = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;
const namespacePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
// IFNAMSIZ of Linux is 16 with the terminating zero.
const interfacePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/;
const imagePattern = /^[a-z0-9][A-Za-z0-9._:/@-]{0,254}$/;
const addressPattern = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]{2,45}\])$/i;
const poolPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}=(?:\/[A-Za-z0-9._-]+)+(?::[0-9]+[A-Za-z]*)?$/;
const labelPattern =
  /^(?:[a-z0-9][a-z0-9.-]{0,252}\/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,62}=[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const pathPattern = /^(?:\/[A-Za-z0-9._-]+)+$/;

/** INVALID_ARGUMENT for what the API of Kubernetes, or a pod, would refuse later. */
export function checkOptions(options: ManifestOptions): ManifestOptions {
  const check = (option: string, text: string, pattern: RegExp, expected: string) => {
    if (!pattern.test(text)) throw new InvalidArgumentError(option, `${expected}; got '${text}'`);
  };
  const label = 'at most 63 lower-case letters, digits, dots and dashes';
  check('namespace', options.namespace, namespacePattern, 'at most 63 lower-case letters, digits and dashes');
  check('storage-node', options.storageNode, namePattern, label);
  check('driver-name', options.driverName, namePattern, label);
  check('storage-interface', options.storageInterface, interfacePattern, 'the name of a network interface');
  check('image', options.image, imagePattern, 'an image such as registry.example/ballast:TAG');
  for (const [option, path] of [
    ['data-dir', options.dataDirectory],
    ['key-dir', options.keyDirectory],
    ['kubelet-dir', options.kubeletDirectory],
  ] as const) {
    check(option, path, pathPattern, 'an absolute path');
  }
  if (options.keyDirectory.startsWith(`${options.dataDirectory}/`)) {
    throw new InvalidArgumentError('key-dir', 'a directory that is not in the data directory');
  }
  if (options.api !== undefined) {
    check('api-url', options.api.url, /^https?:\/\/[^\s/@]+\/?$/, 'http(s)://HOST:PORT');
    check('token-secret', options.api.tokenSecret, namePattern, label);
  }
  if (options.cluster !== undefined) checkCluster(options.cluster, options);
  return options;

  function checkCluster(cluster: ClusterOptions, { dataDirectory }: ManifestOptions): void {
    const { controllerAddress, joinSecret, pool, nodeLabel, nodeDirectory, zoneKey } = cluster;
    check('controller-address', controllerAddress, addressPattern, 'an IP address, of IPv6 in brackets');
    check('join-secret', joinSecret, namePattern, label);
    check('ensure-pool', pool, poolPattern, 'NAME=PATH[:SIZE]');
    check('node-label', `${nodeLabel.key}=${nodeLabel.value}`, labelPattern, 'KEY=VALUE as a label');
    if (zoneKey !== undefined) {
      check('zone-key', `${zoneKey}=x`, labelPattern, 'a label such as topology.kubernetes.io/zone');
      if (options.api === undefined) throw new InvalidArgumentError('zone-key', '--api-url with it');
    }
    check('node-dir', nodeDirectory, pathPattern, 'an absolute path');
    if (`${nodeDirectory}/`.startsWith(`${dataDirectory}/`)) {
      throw new InvalidArgumentError('node-dir', 'a directory that is not in the data directory');
    }
  }
}
