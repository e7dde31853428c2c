// The address of a network interface, where a person names the network that data goes through and not an
// address: each node has another.
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { InvalidArgumentError } from './errors.js';

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** Its first IPv4 address, else its first IPv6 address that is not link-local. */
export function addressOfInterface(name: string, interfaces: Interfaces = networkInterfaces()): string {
  const addresses = interfaces[name];
  if (addresses === undefined) {
    const there = Object.keys(interfaces).join(', ');
    throw new InvalidArgumentError('storage-interface', `one that is up and has an address: ${there}`);
  }
  const usable = addresses.filter(({ address }) => !/^fe[89ab]/i.test(address));
  const found = usable.find(({ family }) => family === 'IPv4') ?? usable[0];
  if (found !== undefined) return found.address;
  throw new InvalidArgumentError('storage-interface', `an address on ${name}, not link-local; it has none`);
}
