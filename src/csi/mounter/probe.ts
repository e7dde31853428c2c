// What is on a device. A file system is only ever made where nothing is: blkid has to say that it found
// nothing, and the first and the last MiB have to be zeroes, because blkid says the same of a device that it
// could not read, and of data that it does not know.
import { type FileHandle, open } from 'node:fs/promises';
import { runTool, type ToolAnswer } from './run-tool.js';
import type { DeviceContent } from './types.js';

const edgeBytes = 1 << 20;

export async function probe(device: string, sizeBytes: bigint): Promise<DeviceContent> {
  let edges: Edges;
  try {
    edges = await edgesOf(device, sizeBytes);
  } catch (error) {
    return { kind: 'unclear', why: `it cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
  // -p: from the device, not from a cache. 0 found, 2 nothing, 8 several that contradict each other.
  const argv = ['-p', '-o', 'export', device];
  return contentOf(await runTool('blkid', argv, { statuses: [0, 1, 2, 4, 8], timeoutMs: 60_000 }), edges);
}

export interface Edges {
  /** The first and the last MiB. */
  readonly zeroes: boolean;
  readonly first: Buffer;
}

export function contentOf({ status, stdout }: Omit<ToolAnswer, 'stderr'>, edges: Edges): DeviceContent {
  if (status === 8) return { kind: 'unclear', why: 'it has several signatures that contradict each other' };
  if (status === 2) return { kind: edges.zeroes ? 'empty' : 'data' };
  if (status !== 0) return { kind: 'unclear', why: `blkid ended with ${status}` };
  const { TYPE, UUID, USAGE, PTTYPE } = exported(stdout);
  if (PTTYPE !== undefined) return { kind: 'other', what: `a partition table (${PTTYPE})` };
  if (TYPE === undefined) return { kind: 'unclear', why: 'it has a signature without a type' };
  if (USAGE !== undefined && USAGE !== 'filesystem') return { kind: 'other', what: `${TYPE} (${USAGE})` };
  const uuid = UUID?.toLowerCase();
  return { kind: 'file-system', type: TYPE, ...(uuid && { uuid }), unused: isUnused(TYPE, edges.first) };
}

/**
 * ext4, in the superblock at 1024: s_mtime (2Ch, 4 bytes) and s_mnt_count (34h, 2 bytes) are written at each
 * mount that may write, before anything else. XFS: sb_inprogress (7Eh) is 1 until mkfs has written the rest,
 * and one that is not 0 is not mounted.
 */
function isUnused(type: string, first: Buffer): boolean {
  if (type === 'ext4') return first.readUInt32LE(1024 + 0x2c) === 0 && first.readUInt16LE(1024 + 0x34) === 0;
  return type === 'xfs' && first.readUInt8(0x7e) !== 0;
}

function exported(stdout: string): Partial<Record<string, string>> {
  const pairs = stdout.split('\n').map((line) => /^([A-Z_]+)=(.*)$/.exec(line));
  return Object.fromEntries(pairs.flatMap((pair) => (pair === null ? [] : [[pair[1], pair[2]]])));
}

async function edgesOf(device: string, sizeBytes: bigint): Promise<Edges> {
  const file = await open(device, 'r');
  try {
    const first = await edgeAt(file, 0n);
    const last = await edgeAt(file, sizeBytes > BigInt(edgeBytes) ? sizeBytes - BigInt(edgeBytes) : 0n);
    return { zeroes: isZero(first) && isZero(last), first };
  } finally {
    await file.close();
  }
}

async function edgeAt(file: FileHandle, offset: bigint): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(edgeBytes), 0, edgeBytes, Number(offset));
  if (bytesRead === 0) throw Object.assign(new Error('nothing was read'), { code: 'EIO' });
  return buffer;
}

function isZero(buffer: Buffer): boolean {
  return buffer.every((byte) => byte === 0);
}
