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
}

/** Of a pod, on a port that Prometheus may reach. */
export const metricsPort = 9420;
export const apiPort = 8420;

const namePattern = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;
const namespacePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
// IFNAMSIZ of Linux is 16 with the terminating zero.
const interfacePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/;
const imagePattern = /^[a-z0-9][A-Za-z0-9._:/@-]{0,254}$/;
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
  return options;
}
