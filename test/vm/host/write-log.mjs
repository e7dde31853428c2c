// A log of the guest's dm-log-writes, which has every write of a disk in the order in which they became
// durable: one without FUA comes when a flush after it does, what was never flushed does not come at all.
// Replayed up to a point, it gives what a disk with a volatile cache may hold when the power goes there.
// Called by requests.mjs. Format: Linux, drivers/md/dm-log-writes.c.

import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

const superMagic = 0x6a736677736872n;
const flagDiscard = 4n;
const flagMark = 8n;
const unitBytes = 512; // of `sector` and `nr_sectors`, on a disk with sectors of 512 bytes

function read(file, offset, length) {
  const buffer = Buffer.alloc(length);
  if (readSync(file, buffer, 0, length, offset) !== length) throw new Error('the log ends too early');
  return buffer;
}

/** What the log holds, without the data: { sector, sectors, flags, mark, dataOffset } each. */
function readEntries(log) {
  const head = read(log, 0, 28);
  if (head.readBigUInt64LE(0) !== superMagic) throw new Error('there is no log of writes');
  if (head.readUInt32LE(24) !== unitBytes) throw new Error('the sectors of the log are not of 512 bytes');
  const entries = [];
  let offset = unitBytes;
  for (let left = head.readBigUInt64LE(16); left > 0n; left -= 1n) {
    const entry = read(log, offset, unitBytes);
    const [sector, sectors, flags, markBytes] = [0, 8, 16, 24].map((at) => entry.readBigUInt64LE(at));
    const isMark = (flags & flagMark) !== 0n;
    const mark = isMark ? entry.toString('utf8', 32, 32 + Number(markBytes)).replace(/\0.*/s, '') : undefined;
    offset += unitBytes;
    entries.push({ sector, sectors, flags, mark, dataOffset: offset });
    if ((flags & flagDiscard) === 0n) offset += Number(sectors) * unitBytes;
  }
  return entries;
}

/**
 * Writes to `imageFile` what the disk held at the mark `from`, or with `to` at a random moment before that
 * mark. Answers a line that says where that is.
 */
export function replayWrites(logFile, imageFile, imageBytes, from, to) {
  const log = openSync(logFile, 'r');
  const image = openSync(imageFile, 'wx+');
  try {
    const entries = readEntries(log);
    const find = (mark) => {
      const index = entries.findIndex((entry) => entry.mark === mark);
      if (index < 0) throw new Error(`the log has no mark '${mark}'`);
      return index;
    };
    let end = find(from);
    if (to !== undefined) end += 1 + Math.floor(Math.random() * (find(to) - end));
    ftruncateSync(image, imageBytes);
    for (const { sector, sectors, flags, dataOffset } of entries.slice(0, end)) {
      const length = Number(sectors) * unitBytes;
      if (length === 0) continue;
      const isDiscard = (flags & flagDiscard) !== 0n;
      const data = isDiscard ? Buffer.alloc(length) : read(log, dataOffset, length);
      writeSync(image, data, 0, length, Number(sector) * unitBytes);
    }
    if (fstatSync(image).size !== imageBytes)
      throw new Error('the log has writes beyond the end of the disk');
    return `entry ${end} of ${entries.length}`;
  } finally {
    closeSync(log);
    closeSync(image);
  }
}
