// Where a daemon keeps what it has to remember: in its state directory, or in an etcd that `--store` names:
// etcd://HOST:PORT[,HOST:PORT...][/PREFIX], etcds:// with TLS. Pure text work, as volume-spec.ts: files are
// read by whoever opens the store, and no password is ever an argument.
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { type HostPort, parseHostPort } from './address.js';
import { InvalidArgumentError } from './errors.js';

/** Files are absolute paths. */
export interface EtcdSource {
  readonly kind: 'etcd';
  readonly endpoints: readonly HostPort[];
  /** Of its keys; ends with a slash. */
  readonly prefix: string;
  readonly tls?: {
    /** Of the authority; absent: those that Node.js trusts. */
    readonly ca?: string;
    readonly own?: { readonly certificate: string; readonly key: string };
  };
  readonly user?: { readonly name: string; readonly passwordFile: string };
}

export type StoreSource = { readonly kind: 'level' } | EtcdSource;

export const storeOptions = [
  ...(['store', 'storeCa', 'storeCert', 'storeKey', 'storeUser', 'storePasswordFile'] as const),
];

export type StoreFlags = { readonly [Option in (typeof storeOptions)[number]]?: string };

export const etcdPrefixDefault = 'ballast/';
const etcdPort = 2379;
export const etcdEndpointsMax = 16;
export const etcdPrefixPattern = /^[\x21-\x7e]{1,128}$/;

export function parseStoreSource(flags: StoreFlags): StoreSource {
  const { store } = flags;
  if (store === undefined || store === 'level') {
    const given = Object.entries(flags).find(([name, value]) => name !== 'store' && value !== undefined);
    if (given === undefined) return { kind: 'level' };
    throw new InvalidArgumentError(optionOf(given[0]), 'a store in etcd beside it: --store etcd://HOST:PORT');
  }
  const match = /^(etcds?):\/\/([^/]*)(?:\/(.*))?$/.exec(store);
  if (match === null) {
    throw new InvalidArgumentError(
      'store',
      `level, or etcd://HOST:PORT[,HOST:PORT...][/PREFIX]; got '${store}'`,
    );
  }
  const [, scheme, hosts = '', path = ''] = match;
  const source = { kind: 'etcd' as const, endpoints: parseEndpoints(hosts), prefix: parsePrefix(path) };
  const tls = parseTls(flags, scheme === 'etcds');
  const user = parseUser(flags);
  return { ...source, ...(tls !== undefined && { tls }), ...(user !== undefined && { user }) };
}

/** For a person; as it was given, but for what is a default. */
export function formatStoreSource({ endpoints, prefix, tls }: EtcdSource): string {
  const hosts = endpoints.map(({ host, port }) =>
    isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`,
  );
  return `${tls === undefined ? 'etcd' : 'etcds'}://${hosts.join(',')}/${prefix}`;
}

function parseEndpoints(text: string): readonly HostPort[] {
  if (text.includes('@')) {
    throw new InvalidArgumentError('store', 'no user in the address: --store-user and --store-password-file');
  }
  const endpoints = text.split(',').map((one) => parseHostPort(one, etcdPort));
  const names = new Set(endpoints.map(({ host, port }) => `${host} ${port}`));
  if (
    endpoints.some(({ port }) => port === 0) ||
    names.size < endpoints.length ||
    names.size > etcdEndpointsMax
  ) {
    throw new InvalidArgumentError('store', `1 to ${etcdEndpointsMax} addresses, each once; got '${text}'`);
  }
  return endpoints;
}

function parsePrefix(path: string): string {
  if (path === '') return etcdPrefixDefault;
  const prefix = path.endsWith('/') ? path : `${path}/`;
  if (etcdPrefixPattern.test(prefix)) return prefix;
  throw new InvalidArgumentError('store', 'a prefix of 1 to 128 printable ASCII characters, no space');
}

function parseTls({ storeCa, storeCert, storeKey }: StoreFlags, wanted: boolean): EtcdSource['tls'] {
  if (!wanted) {
    if (storeCa === undefined && storeCert === undefined && storeKey === undefined) return undefined;
    throw new InvalidArgumentError(
      'store',
      'etcds:// where certificates are given: etcd:// is not encrypted',
    );
  }
  if ((storeCert === undefined) !== (storeKey === undefined)) {
    throw new InvalidArgumentError('store-cert', 'both, a certificate and its key, or neither');
  }
  return {
    ...(storeCa !== undefined && { ca: resolve(storeCa) }),
    ...(storeCert !== undefined &&
      storeKey !== undefined && { own: { certificate: resolve(storeCert), key: resolve(storeKey) } }),
  };
}

function parseUser({ storeUser, storePasswordFile }: StoreFlags): EtcdSource['user'] {
  if ((storeUser === undefined) !== (storePasswordFile === undefined)) {
    throw new InvalidArgumentError('store-user', 'both, a user and the file with its password, or neither');
  }
  if (storeUser === undefined || storePasswordFile === undefined) return undefined;
  return { name: storeUser, passwordFile: resolve(storePasswordFile) };
}

function optionOf(flag: string): string {
  return flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
