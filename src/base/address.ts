// Addresses as options and users write them: tcp://HOST:PORT to listen on, tcp://HOST[:PORT][/NQN] to connect
// to. Names are resolved here: the native engine takes numeric addresses only.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { InvalidUriError, UnreachableError } from './errors.js';
import { checkNqn } from './nqn.js';

export const defaultPort = 4420;
export const defaultApiPort = 8420;
/** Where nodes join a cluster. */
export const defaultJoinPort = 8431;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface TargetAddress extends HostPort {
  readonly nqn?: string;
  /** Other ways to the same subsystem. */
  readonly others?: readonly HostPort[];
}

/** Of one subsystem, all together. */
export const addressesMax = 16;

const authorityPattern = /^(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/i;

/** HOST[:PORT] with an IPv6 address in brackets. */
export function parseHostPort(text: string, portDefault?: number): HostPort {
  const match = authorityPattern.exec(text);
  if (match === null) throw new InvalidUriError(text, 'expected HOST:PORT, an IPv6 address in brackets');
  const host = match[1] ?? match[2] ?? '';
  if (match[1] !== undefined && isIP(host.split('%')[0] ?? '') !== 6) {
    throw new InvalidUriError(text, `${host} is not an IPv6 address`);
  }
  const port = match[3] === undefined ? portDefault : Number(match[3]);
  if (port === undefined) throw new InvalidUriError(text, 'the port is missing');
  if (port > 65_535) throw new InvalidUriError(text, `port ${port} is above 65535`);
  return { host, port };
}

function afterScheme(uri: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri);
  if (scheme === null) throw new InvalidUriError(uri, 'expected tcp://HOST:PORT');
  if (scheme[1]?.toLowerCase() !== 'tcp')
    throw new InvalidUriError(uri, `transport '${scheme[1]}' is not tcp`);
  return uri.slice(scheme[0].length);
}

/** tcp://ADDR:PORT, where port 0 means any free one. The address must be numeric or `localhost`. */
export function parseListenAddress(uri: string): HostPort {
  const rest = afterScheme(uri);
  if (rest.includes('/')) throw new InvalidUriError(uri, 'a listen address has nothing after its port');
  const { host, port } =
    rest.startsWith('[') || rest.includes(':') ? parseHostPort(rest) : parseHostPort(rest, defaultPort);
  const numeric = host === 'localhost' ? '127.0.0.1' : host;
  if (isIP(numeric.split('%')[0] ?? '') === 0) {
    throw new InvalidUriError(uri, `'${host}' is not a numeric address; 0.0.0.0 or [::] listen on all`);
  }
  return { host: numeric, port };
}

/** HOST:PORT or http://HOST:PORT of the REST API, where port 0 means any free one; numeric or `localhost`. */
export function parseApiAddress(text: string): HostPort {
  return numericHttp(text, defaultApiPort);
}

/** The same of `--metrics-listen`, which also takes :PORT alone: on loopback. */
export function parseMetricsAddress(text: string): HostPort {
  return numericHttp(text.startsWith(':') ? `127.0.0.1${text}` : text);
}

function numericHttp(text: string, portDefault?: number): HostPort {
  const { host, port } = parseHostPort(text.replace(/^http:\/\//i, '').replace(/\/$/, ''), portDefault);
  const numeric = host === 'localhost' ? '127.0.0.1' : host;
  if (isIP(numeric.split('%')[0] ?? '') === 0) {
    throw new InvalidUriError(text, `'${host}' is not a numeric address; 0.0.0.0 or [::] listen on all`);
  }
  return { host: numeric, port };
}

/** tcp://HOST[:PORT][,HOST[:PORT]...][/NQN]. */
export function parseTargetAddress(uri: string): TargetAddress {
  const rest = afterScheme(uri);
  const slash = rest.indexOf('/');
  const texts = (slash < 0 ? rest : rest.slice(0, slash)).split(',');
  const [first, ...others] = texts.map((text) => parseHostPort(text, defaultPort));
  if (first === undefined) throw new InvalidUriError(uri, 'the host is missing');
  if (texts.length > addressesMax) throw new InvalidUriError(uri, `more than ${addressesMax} addresses`);
  const all = [first, ...others];
  if (all.some(({ port }) => port === 0)) throw new InvalidUriError(uri, 'port 0 cannot be connected to');
  if (new Set(all.map(({ host, port }) => `${host} ${port}`)).size < all.length) {
    throw new InvalidUriError(uri, 'an address is given twice');
  }
  const nqn = slash < 0 ? '' : rest.slice(slash + 1);
  return {
    ...first,
    ...(others.length > 0 && { others }),
    ...(nqn !== '' && { nqn: checkNqn(nqn) }),
  };
}

export function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

export function formatTcp(address: HostPort): string {
  return `tcp://${formatHost(address.host)}:${address.port}`;
}

/** The first numeric address of a host name; a numeric address is itself. */
export async function resolveHost(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new UnreachableError(host, 'the name cannot be resolved', { cause });
  }
}
