// The table of drills, in the order in which `all` runs them.
import { InvalidArgumentError } from '../base/errors.js';
import type { DrillDefinition } from './fault.js';
import { diskError } from './faults/disk-error.js';
import { stopHead } from './faults/freeze.js';
import { killHead, killReplica, powerCut } from './faults/kill.js';
import { cutHost, partition } from './faults/partition.js';
import { moveHead, rollingRestart, upgrade } from './faults/restart.js';
import { slowDisk } from './faults/slow-disk.js';
import { storeOutage } from './faults/store-outage.js';

export const drills: readonly DrillDefinition[] = [
  killHead,
  killReplica,
  stopHead,
  partition,
  cutHost,
  storeOutage,
  slowDisk,
  diskError,
  powerCut,
  moveHead,
  rollingRestart,
  upgrade,
];

/** `all`, or one by its name. */
export function drillsOf(name: string): readonly DrillDefinition[] {
  if (name === 'all') return drills;
  const found = drills.find((one) => one.name === name);
  if (found !== undefined) return [found];
  throw new InvalidArgumentError('drill', `one of ${drills.map((one) => one.name).join(', ')}, all`);
}
