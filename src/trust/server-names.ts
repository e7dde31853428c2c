// Under which names and addresses a server may be reached that listens on these: what its certificate has to
// be for. Of all addresses those that this machine has now; they are looked at again with every start.
import { isIP } from 'node:net';
import { hostname, type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { InvalidArgumentError } from '../base/errors.js';

const namesMax = 64;
const namePattern = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9][a-z0-9-]{0,62})*$/i;
const any: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

export interface Machine {
  readonly hostname: string;
  readonly interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;
}

/** `hosts`: numeric, where it listens. `more`: names that others have for it. */
export function serverNames(
  hosts: readonly string[],
  more: readonly string[] = [],
  machine: Machine = { hostname: hostname(), interfaces: networkInterfaces() },
): readonly string[] {
  const own = Object.values(machine.interfaces).flatMap((addresses) => addresses ?? []);
  const addresses = hosts.flatMap((host) =>
    any.has(host) ? own.map(({ address }) => address).filter((address) => !isLinkLocal(address)) : [host],
  );
  const wrong = more.find((name) => !isUsable(name));
  if (wrong !== undefined)
    throw new InvalidArgumentError('tls-name', `a host name or an address; got '${wrong}'`);
  const usable = [...more, ...addresses, machine.hostname, 'localhost'].filter(isUsable);
  return [...new Set(usable)].slice(0, namesMax);
}

function isUsable(name: string): boolean {
  return isIP(name) !== 0 || namePattern.test(name);
}

function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}
