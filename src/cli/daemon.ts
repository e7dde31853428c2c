// What commands share that ask a running daemon: which one, and as whom. By its Unix socket in the state
// directory unless an address is given.
import { isAbsolute, resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError } from '../base/errors.js';
import { dataDirectory } from '../base/settings.js';
import { statePaths } from '../base/state-directory.js';
import { ApiClient } from '../client/api-client.js';
import { ClusterClient } from '../client/cluster-client.js';
import { type Endpoint, httpEndpoint } from '../client/endpoint.js';
import type { CliContext } from './engine-port.js';
import { addOutputOption, type OutputFormat } from './output.js';

export interface DaemonOptions {
  readonly data?: string;
  readonly api?: string;
  readonly tokenFile?: string;
  readonly output: OutputFormat;
}

export function addDaemonOptions(command: Command): Command {
  return addOutputOption(command)
    .option('--data <dir>', 'state directory of the daemon (default: BALLAST_DATA, else ./var)')
    .option('--api <url>', 'ask the daemon at http(s)://HOST:PORT instead (BALLAST_API)')
    .option('--token-file <file>', 'file with the token for --api (BALLAST_TOKEN_FILE)');
}

export async function daemonOf(context: CliContext, options: DaemonOptions): Promise<ApiClient> {
  return new ApiClient(await endpointOf(context, options));
}

/** The same, where it is the controller of a cluster. */
export async function clusterOf(context: CliContext, options: DaemonOptions): Promise<ClusterClient> {
  return new ClusterClient(await endpointOf(context, options));
}

export async function endpointOf(
  { environment }: CliContext,
  options: Omit<DaemonOptions, 'output'>,
): Promise<Endpoint> {
  const api = apiOf(environment, options);
  if (api === undefined) {
    return { socketPath: statePaths(dataDirectory(options.data, environment)).apiSocket };
  }
  const tokenFile = options.tokenFile ?? (environment.BALLAST_TOKEN_FILE || undefined);
  if (tokenFile === undefined) {
    throw new InvalidArgumentError('token-file', `a file with a token for ${api}`);
  }
  return httpEndpoint(api, tokenFile);
}

function apiOf(
  environment: CliContext['environment'],
  { api, data }: Pick<DaemonOptions, 'api' | 'data'>,
): string | undefined {
  return api ?? (data === undefined ? environment.BALLAST_API || undefined : undefined);
}

/** A path on the daemon's machine: from here by the socket, and absolute when it may be elsewhere. */
export function devicePath(context: CliContext, options: DaemonOptions, path: string): string {
  if (isAbsolute(path)) return path;
  if (apiOf(context.environment, options) === undefined) return resolve(path);
  throw new InvalidArgumentError('device', `an absolute path with --api; got '${path}'`);
}
