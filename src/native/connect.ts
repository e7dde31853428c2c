// The short way to a namespace: `const controller = await connect('tcp://host:4420/NQN')`.
import { parseTargetAddress, resolveHost } from '../base/address.js';
import { InvalidUriError } from '../base/errors.js';
import type { Controller } from './controller.js';
import { Engine } from './engine.js';
import type { ConnectOptions, TargetUri } from './types.js';

/** `tcp://host[:port][/NQN]`; the port is 4420 when it is left out. */
export function parseUri(uri: string): TargetUri {
  if (typeof uri !== 'string') throw new InvalidUriError(String(uri), 'expected a string');
  return { transport: 'tcp', ...parseTargetAddress(uri) };
}

export type UriConnectOptions = Omit<ConnectOptions, 'host' | 'port' | 'nqn'> & { readonly nqn?: string };

/** Connects with an engine of its own, which ends when the controller is closed. */
export async function connect(uri: string, options: UriConnectOptions = {}): Promise<Controller> {
  const { host, port, others = [], nqn = options.nqn } = parseUri(uri);
  if (nqn === undefined) throw new InvalidUriError(uri, 'the subsystem is missing: tcp://HOST:PORT/NQN');
  const numericHost = await resolveHost(host);
  const otherAddresses = await Promise.all(
    others.map(async (other) => ({ host: await resolveHost(other.host), port: other.port })),
  );
  const engine = await Engine.start();
  try {
    return await engine.connectWith({ otherAddresses, ...options, host: numericHost, port, nqn }, () =>
      engine.close(),
    );
  } catch (error) {
    await engine.close();
    throw error;
  }
}
