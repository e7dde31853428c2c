// What the mounter reads: lines of mountinfo, answers of blkid.
import { describe, expect, it } from 'vitest';
import { parseMountinfo } from '../../../src/csi/mounter/mountinfo.js';
import { contentOf } from '../../../src/csi/mounter/probe.js';
import { runTool } from '../../../src/csi/mounter/run-tool.js';

describe('mountinfo', () => {
  it('has optional fields, escapes and lines that are none', () => {
    const text = [
      '42 27 7:0 / /var/lib/kubelet/a\\040b\\134c rw,noatime shared:5 - ext4 /dev/x ro,errors=continue',
      '44 27 0:6 /loop0 /f\\303\\244 rw - devtmpfs devtmpfs rw,size=1k',
      'nonsense',
      '45 27 0:6 / /no-dash rw',
      '',
    ].join('\n');
    expect(parseMountinfo(text)).toEqual([
      {
        mountPoint: '/var/lib/kubelet/a b\\c',
        device: '7:0',
        fsType: 'ext4',
        options: ['rw', 'noatime'],
        superOptions: ['ro', 'errors=continue'],
      },
      {
        mountPoint: '/fä',
        device: '0:6',
        fsType: 'devtmpfs',
        options: ['rw'],
        superOptions: ['rw', 'size=1k'],
      },
    ]);
  });
});

describe('K12: what blkid answers', () => {
  const zero = { zeroes: true, first: Buffer.alloc(4096) };
  const data = { zeroes: false, first: Buffer.alloc(4096, 1) };

  it('nothing is empty only where the edges are zeroes', () => {
    expect(contentOf({ status: 2, stdout: '' }, zero)).toEqual({ kind: 'empty' });
    expect(contentOf({ status: 2, stdout: '' }, data)).toEqual({ kind: 'data' });
  });

  it('every other status than 0 and 2 is unclear, whatever is there', () => {
    for (const status of [1, 4, 8, 127]) {
      expect(contentOf({ status, stdout: 'TYPE=ext4\n' }, zero).kind).toBe('unclear');
    }
    expect(contentOf({ status: 0, stdout: 'DEVNAME=/dev/x\n' }, zero).kind).toBe('unclear');
  });

  it('partition tables and members of something are no file systems', () => {
    const kindOf = (stdout: string) => contentOf({ status: 0, stdout }, data);
    expect(kindOf('PTTYPE=gpt\n')).toEqual({ kind: 'other', what: 'a partition table (gpt)' });
    expect(kindOf('TYPE=ext4\nPTTYPE=dos\n').kind).toBe('other');
    expect(kindOf('TYPE=LVM2_member\nUSAGE=raid\n')).toEqual({ kind: 'other', what: 'LVM2_member (raid)' });
    expect(kindOf('TYPE=crypto_LUKS\nUSAGE=crypto\n').kind).toBe('other');
  });

  it('an ext4 that was mounted once says so', () => {
    const first = Buffer.alloc(4096);
    const answer = { status: 0, stdout: 'UUID=ABC\nTYPE=ext4\nUSAGE=filesystem\n' };
    const expected = { kind: 'file-system', type: 'ext4', uuid: 'abc' };
    expect(contentOf(answer, { zeroes: false, first })).toEqual({ ...expected, unused: true });
    first.writeUInt32LE(1, 1024 + 0x2c);
    expect(contentOf(answer, { zeroes: false, first })).toEqual({ ...expected, unused: false });
    first.writeUInt32LE(0, 1024 + 0x2c);
    first.writeUInt16LE(1, 1024 + 0x34);
    expect(contentOf(answer, { zeroes: false, first })).toEqual({ ...expected, unused: false });
  });
});

describe('tools', () => {
  it('are found in the directories of the system only, without a shell', async () => {
    await expect(runTool('no-such-tool', [])).rejects.toThrow('no-such-tool is not installed');
    const { stdout } = await runTool('printf', ['%s', '$(id) `id` ; id']);
    expect(stdout).toBe('$(id) `id` ; id');
  });

  it('end after their time, and are told of by their last line', async () => {
    await expect(runTool('sleep', ['600'], { timeoutMs: 50 })).rejects.toThrow('was ended after 0.05 s');
    await expect(runTool('ls', ['/no/such'])).rejects.toThrow(/ls ended with 2: .*No such file/);
    const { stdout } = await runTool('head', ['-c', '1000000', '/dev/zero'], {});
    expect(stdout.length).toBeLessThan(200_000);
  });
});
