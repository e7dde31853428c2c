// `ballast manifests`: the objects of a Kubernetes cluster, for `kubectl apply -f -`. Asks nobody anything.
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { InvalidArgumentError } from '../base/errors.js';
import { manifests } from '../manifests/manifests.js';
import type { ClusterOptions, ManifestOptions } from '../manifests/options.js';
import type { CliContext } from './engine-port.js';

interface ManifestFlags {
  readonly namespace: string;
  readonly image?: string;
  readonly storageNode: string;
  readonly storageInterface: string;
  readonly driverName: string;
  readonly driver: string;
  readonly dataDir: string;
  readonly keyDir: string;
  readonly kubeletDir: string;
  readonly apiUrl?: string;
  readonly tokenSecret?: string;
  readonly metrics: boolean;
  readonly monitors: boolean;
  readonly snapshots: boolean;
  readonly groupSnapshots: boolean;
  readonly snapshotMetadataSecret?: string;
  readonly snapshotMetadataCa?: string;
  readonly defaultClass: boolean;
  readonly controllerAddress?: string;
  readonly joinSecret: string;
  readonly ensurePool?: string;
  readonly nodeLabel: string;
  readonly nodeDir: string;
  readonly zoneKey?: string;
  readonly output: 'yaml' | 'json';
}

/** `command` is `ballast manifests` itself. */
export function register(command: Command, context: CliContext): void {
  const version = command.parent?.version() ?? '';
  command
    .requiredOption('--storage-node <name>', 'the node whose disks are served, as Kubernetes calls it')
    .requiredOption('--storage-interface <name>', 'its network interface that volumes are served on')
    .option('--namespace <name>', 'of all that is not of the whole cluster', 'ballast')
    .option('--image <image>', `default: ballast:${version}`)
    .option('--driver-name <name>', 'as CSIDriver and StorageClass name it', 'csi.ballast.dev')
    .addOption(
      new Option('--driver <driver>', 'how nodes attach volumes')
        .choices(['auto', 'kernel', 'ublk', 'fuse'])
        .default('auto'),
    )
    .option('--data-dir <dir>', 'state directory, on the storage node', '/var/lib/ballast')
    .option('--key-dir <dir>', 'keys of encrypted volumes, there', '/var/lib/ballast-keys')
    .option('--kubelet-dir <dir>', 'of all nodes', '/var/lib/kubelet')
    .option(
      '--api-url <url>',
      'where node plug-ins reach the REST API, with TLS before it; needs --token-secret',
    )
    .option('--token-secret <name>', 'Secret whose key `token` is an operator token of it')
    .option('--metrics', 'open ports for Prometheus, without a token', false)
    .option('--monitors', 'ServiceMonitor and PodMonitor of the Prometheus operator; needs --metrics', false)
    .option('--no-snapshots', 'for clusters without the snapshot CRDs')
    .option('--group-snapshots', 'needs the group snapshot CRDs', false)
    .option('--snapshot-metadata-secret <name>', 'TLS Secret of the service that tells changed blocks')
    .option('--snapshot-metadata-ca <file>', 'the CA of its certificate, PEM')
    .option('--controller-address <ip>', 'a cluster: of the storage node, where others reach its controller')
    .option('--ensure-pool <name=path[:size]>', 'a cluster: the pool of each node with disks')
    .option('--node-label <key=value>', 'a cluster: of the nodes with disks', 'ballast.dev/storage=true')
    .option('--join-secret <name>', 'a cluster: Secret whose key `token` is a join token', 'ballast-join')
    .option('--node-dir <dir>', 'a cluster: state directory of agents', '/var/lib/ballast-node')
    .option('--zone-key <label>', 'a cluster: zones are topology under this label of nodes; needs --api-url')
    .option('--default-class', 'the StorageClass is the default of the cluster', false)
    .addOption(
      new Option('-o, --output <format>', 'how to print them').choices(['yaml', 'json']).default('yaml'),
    )
    .action((flags: ManifestFlags) => print(context, flags, version));
}

async function print(context: CliContext, flags: ManifestFlags, version: string): Promise<void> {
  const objects = manifests(await optionsOf(flags, version));
  if (flags.output === 'json') {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    context.stdout.write(`${JSON.stringify(list, null, 2)}\n`);
    return;
  }
  const { stringify } = await import('yaml');
  context.stdout.write(
    objects.map((object) => stringify(object, { aliasDuplicateObjects: false })).join('---\n'),
  );
}

async function optionsOf(flags: ManifestFlags, version: string): Promise<ManifestOptions> {
  const { dataDir, keyDir, kubeletDir, driver, image, ...same } = flags;
  const api = pair('api-url', flags.apiUrl, 'token-secret', flags.tokenSecret);
  const metadata = pair(
    'snapshot-metadata-secret',
    flags.snapshotMetadataSecret,
    'snapshot-metadata-ca',
    flags.snapshotMetadataCa,
  );
  if (flags.monitors && !flags.metrics) throw new InvalidArgumentError('monitors', '--metrics with it');
  if (flags.groupSnapshots && !flags.snapshots) {
    throw new InvalidArgumentError('group-snapshots', 'not --no-snapshots with it');
  }
  const cluster = pair('controller-address', flags.controllerAddress, 'ensure-pool', flags.ensurePool);
  if (flags.zoneKey !== undefined && cluster === undefined) {
    throw new InvalidArgumentError('zone-key', '--controller-address with it');
  }
  return {
    version,
    namespace: same.namespace,
    image: image ?? `ballast:${version}`,
    driverName: same.driverName,
    storageNode: same.storageNode,
    storageInterface: same.storageInterface,
    dataDirectory: dataDir,
    keyDirectory: keyDir,
    kubeletDirectory: kubeletDir,
    attachDriver: driver,
    metrics: same.metrics,
    monitors: same.monitors,
    snapshots: same.snapshots,
    groupSnapshots: same.groupSnapshots,
    defaultClass: same.defaultClass,
    ...(api && { api: { url: api[0], tokenSecret: api[1] } }),
    ...(cluster && { cluster: clusterOf(flags, cluster) }),
    ...(metadata && { snapshotMetadata: { tlsSecret: metadata[0], caCert: await certificate(metadata[1]) } }),
  };
}

function clusterOf(
  flags: ManifestFlags,
  [controllerAddress, pool]: readonly [string, string],
): ClusterOptions {
  const [key = '', value = ''] = flags.nodeLabel.split('=', 2);
  return {
    ...{ controllerAddress, pool, nodeLabel: { key, value } },
    ...{ joinSecret: flags.joinSecret, nodeDirectory: flags.nodeDir },
    ...(flags.zoneKey !== undefined && { zoneKey: flags.zoneKey }),
  };
}

function pair(
  first: string,
  one: string | undefined,
  second: string,
  other: string | undefined,
): readonly [string, string] | undefined {
  if (one !== undefined && other !== undefined) return [one, other];
  if (one !== undefined) throw new InvalidArgumentError(first, `--${second} with it`);
  if (other !== undefined) throw new InvalidArgumentError(second, `--${first} with it`);
  return undefined;
}

/** As the object wants it: base64 of PEM. */
async function certificate(file: string): Promise<string> {
  const expected = `a file with a PEM certificate; ${file}`;
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    throw new InvalidArgumentError('snapshot-metadata-ca', `${expected} cannot be read (${cause.code})`);
  });
  if (!bytes.includes('-----BEGIN CERTIFICATE-----')) {
    throw new InvalidArgumentError('snapshot-metadata-ca', `${expected} has none`);
  }
  return bytes.toString('base64');
}
