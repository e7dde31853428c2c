// The cases of csi-sanity for the identity service, under their names.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CsiHarness } from '../harness.js';

let csi: CsiHarness;
beforeEach(async () => {
  csi = new CsiHarness();
  await csi.start();
});
afterEach(() => csi.close());

describe('Identity Service', () => {
  it('GetPluginCapabilities: should return appropriate capabilities', async () => {
    const { capabilities } = await csi.identity('GetPluginCapabilities');
    expect(capabilities.map((one: { type: string }) => one.type)).toEqual([
      'service',
      'service',
      'service',
      'volumeExpansion',
    ]);
    expect(capabilities.map((one: { service?: { type: string } }) => one.service?.type)).toEqual([
      'CONTROLLER_SERVICE',
      'GROUP_CONTROLLER_SERVICE',
      'SNAPSHOT_METADATA_SERVICE',
      undefined,
    ]);
  });

  it('Probe: should return appropriate information', async () => {
    expect(await csi.identity('Probe')).toEqual({ ready: { value: true } });
    await csi.daemon.stop();
    expect(await csi.identity('Probe')).toEqual({ ready: { value: false } });
  });

  it('GetPluginInfo: should return appropriate information', async () => {
    const { name, vendorVersion } = await csi.identity('GetPluginInfo');
    expect(vendorVersion).toBe('1.2.3');
    expect(name).toMatch(/^(?=.{1,63}$)[a-z0-9]+(?:[.-][a-z0-9]+)*$/);
  });
});
