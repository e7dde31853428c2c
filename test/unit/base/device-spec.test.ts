import { describe, expect, it } from 'vitest';
import { parsePoolDevice } from '../../../src/base/device-spec.js';

describe('PATH[:SIZE]', () => {
  it.each([
    ['/dev/nvme0n1', '/dev/nvme0n1', undefined],
    ['/srv/pool:10GiB', '/srv/pool', 10n << 30n],
    ['pool:1.5G', 'pool', 3n << 29n],
    ['/srv/a:b:4096k', '/srv/a:b', 4n << 20n],
    ['/srv/pool:1073741824', '/srv/pool', 1n << 30n],
    ['/dev/disk/by-path/pci-0000:01:00.0-nvme-1', '/dev/disk/by-path/pci-0000:01:00.0-nvme-1', undefined],
    [
      '/dev/disk/by-path/pci-0000:00:1f.2-usb-0:1:1.0',
      '/dev/disk/by-path/pci-0000:00:1f.2-usb-0:1:1.0',
      undefined,
    ],
    ['/dev/disk/by-path/x-scsi-0:0:0:0', '/dev/disk/by-path/x-scsi-0:0:0:0', undefined],
  ])('%s', (text, path, sizeBytes) => {
    expect(parsePoolDevice(text)).toEqual(sizeBytes === undefined ? { path } : { path, sizeBytes });
  });

  it.each([
    ['', 'PATH or PATH:SIZE'],
    [':1G', 'PATH or PATH:SIZE'],
    ['/x:10XB', "size '10XB'"],
    ['/x:-1G', "size '-1G'"],
    ['/x:0G', 'is zero'],
    ['/x:1.5.2G', "size '1.5.2G'"],
    ['/x:1000001k1', undefined],
  ])('%s', (text, reason) => {
    if (reason === undefined) expect(parsePoolDevice(text).path).toBe(text);
    else expect(() => parsePoolDevice(text)).toThrow(reason);
  });
});
