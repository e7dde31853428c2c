import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../src/base/errors.js';
import { parseVolumeOption } from '../../../src/base/volume-spec.js';

describe('parseVolumeOption', () => {
  it.each([
    ['demo', 'expected NAME=SPEC'],
    ['=mem:1M', 'the name must be'],
    ['a/b=mem:1M', 'the name must be'],
    [`${'a'.repeat(64)}=mem:1M`, 'the name must be'],
    ['demo=ram:1M', "unknown kind 'ram'"],
    ['demo=', "unknown kind ''"],
    ['demo=mem', 'expected a number'],
    ['demo=mem:', 'expected a number'],
    ['demo=mem:0', 'is zero'],
    ['demo=null:0', 'is zero'],
    ['demo=file:/x:0', 'is zero'],
    ['demo=mem:1000', 'multiple of the block size 4096'],
    ['demo=mem:513,block=512', 'multiple of the block size 512'],
    ['demo=file:/x:4097', 'multiple of the block size 4096'],
    ['demo=file:/x:12zz', 'expected a number'],
    ['demo=file:', 'the path is empty'],
    ['demo=file::1M', 'the path is empty'],
    ['demo=mem:1M,block=1024', 'block must be 512 or 4096'],
    ['demo=mem:1M,colour=red', "unknown option 'colour'"],
    ['demo=mem:1M,', "unknown option ''"],
    ['demo=mem:1M,block=512,block=512', 'given twice'],
    ['demo=mem:1M,write-cache=volatile', 'is for files'],
    ['demo=file:/x,write-cache=big', 'must be volatile or none'],
    ['demo=mem:1M,uuid=12', 'is not a UUID'],
    ['demo=mem:1M,read-only=maybe', 'takes true or false'],
    ['demo=mem:1M,nqn=demo', 'expected nqn.'],
    ['demo=mem:1M,nqn=nqn.2014-08.org.nvmexpress.discovery', 'discovery subsystem'],
    [`demo=mem:1M,nqn=nqn.2026-11.dev.ballast:${'x'.repeat(200)}`, '224 bytes long'],
    ['demo=mem:1M,allow-host=', 'expected nqn.'],
    ['demo=mem:1M,ana=lost', 'one of optimized, non-optimized, inaccessible'],
  ])('refuses %j', (text, reason) => {
    expect(() => parseVolumeOption(text)).toThrowError(
      expect.objectContaining({ code: 'INVALID_VOLUME_SPEC', message: expect.stringContaining(reason) }),
    );
  });

  it('reads the kinds with 4096-byte blocks by default', () => {
    expect(parseVolumeOption('demo=mem:512MiB')).toEqual({
      name: 'demo',
      device: { kind: 'memory', sizeBytes: 512n << 20n },
      blockSizeBytes: 4096,
      volatileWriteCache: false,
      readOnly: false,
      allowedHosts: [],
    });
    expect(parseVolumeOption('n=null:1GiB').device).toEqual({ kind: 'null', sizeBytes: 1n << 30n });
  });

  it('reads a file with and without a size, a path with colons too', () => {
    expect(parseVolumeOption('a=file:/data/a.img').device).toEqual({ kind: 'file', path: '/data/a.img' });
    expect(parseVolumeOption('a=file:/data/a:b:1G').device).toEqual({
      kind: 'file',
      path: '/data/a:b',
      sizeBytes: 1n << 30n,
    });
    expect(parseVolumeOption('a=file:/dev/disk/by-path/pci-0000:00:1f.2').device).toMatchObject({
      kind: 'file',
    });
  });

  it('reads every option', () => {
    const uuid = '11111111-2222-3333-4444-55555555555A';
    const nqn = 'nqn.2026-11.dev.ballast:x=y';
    const hosts = ['nqn.2026-11.dev.ballast:h1', 'nqn.2026-11.dev.ballast:h2'];
    const allowed = hosts.map((host) => `allow-host=${host}`).join(',');
    const more = `write-cache=volatile,read-only,ana=non-optimized,${allowed}`;
    const options = `block=512,nqn=${nqn},uuid=${uuid},${more}`;
    expect(parseVolumeOption(`a=file:/a,${options}`)).toMatchObject({
      blockSizeBytes: 512,
      nqn,
      uuid: uuid.toLowerCase(),
      volatileWriteCache: true,
      readOnly: true,
      anaState: 'non-optimized',
      allowedHosts: hosts,
    });
  });

  it('throws nothing but its own errors, in one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        try {
          parseVolumeOption(`demo=${text}`);
        } catch (error) {
          expect(error).toBeInstanceOf(DomainError);
        }
      }),
    );
  });
});
