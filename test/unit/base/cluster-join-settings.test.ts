// What a controller and an agent are told about joining.
import { describe, expect, it } from 'vitest';
import { resolveAgentSettings, resolveControllerSettings } from '../../../src/base/cluster-settings.js';

const listen = ['tcp://127.0.0.1:4420'];

describe('a controller', () => {
  it('lets nobody join unless it is told where', () => {
    const settings = resolveControllerSettings({}, {});
    expect(settings.joinListen).toBeUndefined();
    expect(settings.tlsNames).toEqual([]);
  });

  it('takes where from its flag before the environment, port 8431 unless another is said', () => {
    const environment = { BALLAST_JOIN_LISTEN: '192.0.2.1:9' };
    expect(resolveControllerSettings({}, environment).joinListen).toEqual({ host: '192.0.2.1', port: 9 });
    const flags = { joinListen: '0.0.0.0', tlsName: ['controller.example.org'] };
    expect(resolveControllerSettings(flags, environment)).toMatchObject({
      joinListen: { host: '0.0.0.0', port: 8431 },
      tlsNames: ['controller.example.org'],
    });
  });

  it('with etcd takes no address for agents, which reach etcd themselves', () => {
    const etcd = { store: 'etcd://127.0.0.1:2379' };
    expect(resolveControllerSettings(etcd, {}).storeSource.kind).toBe('etcd');
    const refused = (flags: object, environment = {}) =>
      expect(() => resolveControllerSettings({ ...etcd, ...flags }, environment));
    refused({ listen: '192.0.2.1:8430' }).toThrow('listen: expected none with --store');
    refused({}, { BALLAST_CONTROLLER_LISTEN: '192.0.2.1' }).toThrow('listen: expected none with --store');
    refused({ joinListen: '192.0.2.1' }).toThrow('join-listen: expected none');
    refused({ tlsName: ['controller.example.org'] }).toThrow('tls-name: expected none');
  });
});

describe('an agent', () => {
  it('without a controller and without etcd asks where the node has joined', () => {
    expect(resolveAgentSettings({ listen }, {}).source).toEqual({ kind: 'controller' });
  });

  it('goes by one of a controller and etcd', () => {
    const both = { listen, controller: '192.0.2.1', store: 'etcd://127.0.0.1:2379' };
    expect(() => resolveAgentSettings(both, {})).toThrow('one of --controller and --store');
    expect(resolveAgentSettings({ listen, controller: '192.0.2.1' }, {}).source).toEqual({
      kind: 'controller',
      address: { host: '192.0.2.1', port: 8430 },
    });
  });
});
