// `ballast volume hosts NAME list|grant NQN|revoke NQN|any`: who may use a volume, and who does.
import { Argument, type Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import type { ApiClient, HostsBody } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { printResult } from '../output.js';
import { type Column, renderTable } from '../table.js';

const actions = ['list', 'grant', 'revoke', 'any'] as const;
type Action = (typeof actions)[number];

interface HostsOptions extends DaemonOptions {
  readonly exclusive?: boolean;
}

export function registerHosts(volume: Command, context: CliContext): void {
  addDaemonOptions(volume.command('hosts').description('show or change which hosts may use a volume'))
    .argument('<name>')
    .addArgument(new Argument('[action]', 'any: whoever comes, from now on').choices(actions).default('list'))
    .argument('[nqn]', 'of the host, for grant and revoke')
    .option('--exclusive', 'grant: nobody else is granted the volume while this host has it')
    .addHelpText('after', '\nrevoke returns when none of the I/O of the host can take effect any more.')
    .action((name: string, action: Action, nqn: string | undefined, options: HostsOptions) =>
      hosts(context, name, action, nqn, options),
    );
}

async function hosts(
  context: CliContext,
  name: string,
  action: Action,
  nqn: string | undefined,
  options: HostsOptions,
): Promise<void> {
  const { exclusive = false } = options;
  const takesHost = action === 'grant' || action === 'revoke';
  if (takesHost && nqn === undefined) throw new InvalidArgumentError('nqn', `the NQN of a host to ${action}`);
  if (!takesHost && nqn !== undefined) throw new InvalidArgumentError('nqn', `nothing after ${action}`);
  if (exclusive && action !== 'grant') throw new InvalidArgumentError('exclusive', 'grant');
  const daemon = await daemonOf(context, options);
  await change(daemon, name, action, nqn ?? '', exclusive);
  const found = await daemon.hosts(name);
  await printResult(context, options.output, found, (color) => render(found, color));
}

async function change(
  daemon: ApiClient,
  name: string,
  action: Action,
  nqn: string,
  exclusive: boolean,
): Promise<void> {
  if (action === 'grant') await daemon.grantHost(name, nqn, { exclusive });
  if (action === 'revoke') await daemon.revokeHost(name, nqn);
  if (action === 'any') await daemon.changeVolume(name, { hosts: null });
}

interface Row {
  readonly nqn: string;
  readonly granted: string;
  readonly connected: string;
}

const columns: readonly Column<Row>[] = [
  { title: 'host', value: ({ nqn }) => nqn },
  { title: 'granted', value: ({ granted }) => granted },
  { title: 'connected', value: ({ connected }) => connected },
];

function render({ granted, connected }: HostsBody, color: boolean): string {
  const isConnected = (nqn: string) => (connected.includes(nqn) ? 'yes' : 'no');
  const known = (granted ?? []).map(({ nqn, exclusive }) => ({
    nqn,
    granted: exclusive ? 'exclusively' : 'yes',
    connected: isConnected(nqn),
  }));
  const isKnown = (nqn: string) => known.some((row) => row.nqn === nqn);
  const guests = connected
    .filter((nqn) => !isKnown(nqn))
    .map((nqn) => ({ nqn, granted: granted === undefined ? 'any host' : 'no', connected: 'yes' }));
  const rows = [...known, ...guests];
  if (rows.length > 0) return renderTable(columns, rows, color);
  return granted === undefined ? 'any host may use it; none is connected\n' : 'no host may use it\n';
}
