// `ballast csi`: what its options mean, and which are refused before anything is opened.
import { describe, expect, it } from 'vitest';
import { addressOfInterface } from '../../../src/base/interface-address.js';
import { identityOf } from '../../../src/cli/csi-settings.js';
import { CliHarness } from '../../support/cli-harness.js';

const endpoint = 'unix:///run/csi.sock';
const nqn = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555';

async function started(...argv: string[]) {
  const cli = new CliHarness();
  const running = cli.run('csi', ...argv);
  await cli.printed('ready\n');
  cli.signal();
  const code = await running;
  return { cli, code };
}

describe('ballast csi', () => {
  it('by default is everything, over the local daemon, until it is told to stop', async () => {
    const { cli, code } = await started('--endpoint', endpoint, '--data', '/srv/state');
    expect(code).toBe(0);
    expect(cli.csi).toMatchObject({
      controller: true,
      node: true,
      endpoint,
      driverName: 'csi.ballast.dev',
      driver: 'auto',
      kubeletDirectory: '/var/lib/kubelet',
      stateDirectory: '/var/lib/kubelet/plugins/csi.ballast.dev',
      targetAddresses: [],
      volumesMax: 0,
      daemon: { socketPath: '/srv/state/api.sock' },
      host: { hostNqn: nqn },
    });
    expect(cli.engine.steps).toEqual(['close csi']);
    expect(cli.notifications).toEqual(['READY=1', 'STOPPING=1']);
    expect(cli.listensToSignals).toBe(false);
  });

  it('takes its socket from CSI_ENDPOINT, and is a controller or a node', async () => {
    const cli = new CliHarness();
    cli.environment.CSI_ENDPOINT = endpoint;
    const running = cli.run(
      'csi',
      '--mode',
      'controller',
      '--target-address',
      '10.0.0.5',
      '--target-address',
      '[fd00::1]:4421',
    );
    await cli.printed('ready\n');
    cli.signal();
    expect(await running).toBe(0);
    expect(cli.csi).toMatchObject({
      controller: true,
      node: false,
      endpoint,
      targetAddresses: ['10.0.0.5:4420', '[fd00::1]:4421'],
    });
    expect(cli.csi?.host).toBeUndefined();
  });

  it('has a place, a limit and another name where they are given', async () => {
    const { cli } = await started(
      ...[
        '--endpoint',
        endpoint,
        '--mode',
        'node',
        '--topology',
        'topology.ballast.dev/rack=r1',
        '--topology',
        'zone=a',
      ],
      ...[
        '--metrics-listen',
        '127.0.0.1:9401',
        '--max-volumes',
        '64',
        '--node-id',
        'nqn.2026-11.dev.example:n1',
        '--driver',
        'fuse',
        '--state-dir',
        '/s',
      ],
    );
    expect(cli.csi).toMatchObject({
      controller: false,
      node: true,
      topology: { 'topology.ballast.dev/rack': 'r1', zone: 'a' },
      volumesMax: 64,
      metricsListen: { host: '127.0.0.1', port: 9401 },
      driver: 'fuse',
      stateDirectory: '/s',
      host: { hostNqn: 'nqn.2026-11.dev.example:n1' },
    });
    expect(cli.stdout.text).toBe('metrics http://127.0.0.1:9401/metrics\nready\n');
  });

  it.each([
    [],
    ['--endpoint', endpoint, '--mode', 'both'],
    ['--endpoint', endpoint, '--driver', 'iscsi'],
    ['--endpoint', endpoint, '--driver-name', 'Has_Underscore'],
    ['--endpoint', endpoint, '--node-id', 'node-1'],
    ['--endpoint', endpoint, '--topology', 'zone'],
    ['--endpoint', endpoint, '--topology', 'zone=a b'],
    ['--endpoint', endpoint, '--kubelet-dir', 'var/lib/kubelet'],
    ['--endpoint', endpoint, '--state-dir', 'state'],
    ['--endpoint', endpoint, '--max-volumes', '-1'],
    ['--endpoint', endpoint, '--max-volumes', '100001'],
    ['--endpoint', endpoint, '--target-address', '10.0.0.5:99999'],
    ['--endpoint', endpoint, '--storage-interface', 'none0'],
    ['--endpoint', endpoint, '--storage-interface', 'lo', '--target-address', '10.0.0.5'],
    ['--endpoint', endpoint, '--log-level', 'loud'],
    ['--endpoint', endpoint, '--metrics-listen', 'everywhere'],
    ['--endpoint', endpoint, '--api', 'http://127.0.0.1:8420'],
  ])('refuses %j', async (...argv) => {
    const cli = new CliHarness();
    expect(await cli.run('csi', ...argv)).toBe(2);
    expect(cli.csi).toBeUndefined();
    expect(cli.stderr.text).toMatch(/^ballast: /);
  });

  it('a node that is named otherwise has an identifier that is always the same', () => {
    const own = { hostNqn: nqn, hostId: '11111111-2222-3333-4444-555555555555' };
    expect(identityOf(undefined, own)).toBe(own);
    expect(identityOf(nqn, own)).toBe(own);
    const uuidNqn = 'nqn.2014-08.org.nvmexpress:uuid:AAAAAAAA-2222-3333-4444-555555555555';
    expect(identityOf(uuidNqn, own).hostId).toBe('aaaaaaaa-2222-3333-4444-555555555555');
    const named = identityOf('nqn.2026-11.dev.example:n1', own);
    expect(named.hostId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(identityOf('nqn.2026-11.dev.example:n1', own)).toEqual(named);
    expect(identityOf('nqn.2026-11.dev.example:n2', own).hostId).not.toBe(named.hostId);
  });
});

describe('the address of an interface', () => {
  const one = (address: string, family: 'IPv4' | 'IPv6') =>
    ({ address, family, netmask: '', mac: '', internal: false, cidr: null, scopeid: 0 }) as never;

  it('is IPv4 where there is one, and never link-local', () => {
    const link = one('fe80::1', 'IPv6');
    expect(addressOfInterface('a', { a: [link, one('fd00::1', 'IPv6'), one('10.0.0.1', 'IPv4')] })).toBe(
      '10.0.0.1',
    );
    expect(addressOfInterface('a', { a: [link, one('fd00::1', 'IPv6')] })).toBe('fd00::1');
    expect(() => addressOfInterface('a', { a: [link] })).toThrow(/link-local/);
    expect(() => addressOfInterface('b', { a: [link] })).toThrow(/up/);
  });

  it('is what serve listens on', async () => {
    const cli = new CliHarness();
    expect(await cli.run('serve', '--storage-interface', 'none0')).toBe(2);
    expect(await cli.run('serve', '--storage-interface', 'lo', '--listen', 'tcp://127.0.0.1:0')).toBe(2);
    expect(cli.enginesStarted).toBe(0);
  });
});
