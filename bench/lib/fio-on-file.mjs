// fio with io_uring on a file: what the disk gives to whoever has nothing in between.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pinned } from './ballast.mjs';
import { runChild } from './child.mjs';

const spareMs = 60_000;

/** IOPS of 4 KiB at random places. `sync`: further options of fio, those for durability. */
export async function fioOnFile(path, { rw, queueDepth, sync }, { seconds, cpus, directory }) {
  const output = join(directory, 'fio.json');
  const command = [
    ...['fio', '--name=local', `--filename=${path}`, `--rw=${rw}`, '--bs=4k', `--iodepth=${queueDepth}`],
    ...['--ioengine=io_uring', '--direct=1', '--time_based', `--runtime=${Math.round(seconds * 1000)}ms`],
    ...sync,
    ...['--output-format=json', `--output=${output}`],
  ];
  await runChild(cpus === undefined ? command : pinned(cpus, command), seconds * 1000 + spareMs);
  const [report] = JSON.parse(readFileSync(output, 'utf8')).jobs;
  return report[rw === 'randread' ? 'read' : 'write'].iops;
}
