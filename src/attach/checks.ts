// What is asked, before anything is done: in one form, and nothing in it that could become an option of its
// own in a string for the kernel.
import { isIP } from 'node:net';
import { InvalidArgumentError } from '../base/errors.js';
import { checkNqn } from '../base/nqn.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { AttachTarget } from './types.js';

const addressesMax = 16;
const hostNamePattern = /^[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?\.?$/i;

export function checkUuid(uuid: string, argument = 'uuid'): string {
  if (typeof uuid !== 'string' || !uuidPattern.test(uuid))
    throw new InvalidArgumentError(argument, 'a UUID in its text form');
  return uuid.toLowerCase();
}

export function checkTarget(target: AttachTarget): Required<AttachTarget> {
  const { nsid, addresses, readOnly = false } = target;
  if (!Number.isInteger(nsid) || nsid < 1 || nsid > 0xffff_fffe)
    throw new InvalidArgumentError('nsid', 'an integer from 1 to 4294967294');
  if (!Array.isArray(addresses) || addresses.length === 0 || addresses.length > addressesMax)
    throw new InvalidArgumentError('addresses', `1 to ${addressesMax} addresses`);
  return {
    uuid: checkUuid(target.uuid),
    nqn: checkOption('nqn', checkNqn(target.nqn)),
    nsid,
    addresses: addresses.map(({ host, port }) => {
      if (!Number.isInteger(port) || port < 1 || port > 65_535)
        throw new InvalidArgumentError('addresses', 'a port from 1 to 65535');
      if (isIP(host.split('%')[0] ?? '') === 0 && !hostNamePattern.test(host))
        throw new InvalidArgumentError('addresses', 'numeric addresses or names of hosts');
      return { host: checkOption('addresses', host), port };
    }),
    hostNqn: checkOption('hostNqn', checkNqn(target.hostNqn)),
    hostId: checkUuid(target.hostId, 'hostId'),
    readOnly,
  };
}

/** A value of the kernel's `name=value,name=value`. */
export function checkOption(argument: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[,\s\u0000-\u001f\u007f]/.test(value))
    throw new InvalidArgumentError(argument, 'no comma, no space and no control character');
  return value;
}
