// Builds the programs of bench/probes when they are missing or older than their sources, and says where they
// are.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { repository } from './ballast.mjs';

const buildDirectory = join(repository, 'build/probes');

export function buildProbes() {
  const run = (...args) => execFileSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  run('-G', 'Ninja', '-S', join(repository, 'bench/probes'), '-B', buildDirectory);
  run('--build', buildDirectory);
}

export const probe = (name) => join(buildDirectory, name);
export const allocationCounter = probe('liballocation_counter.so');
