#!/usr/bin/env node
import { execFileSync } from 'node:child_process';
// `npm run manifests`: writes the files beside this one from src/manifests, for a node `storage-1` whose
// storage network is on `eth1`. A test fails when they are not what this writes.
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const ballast = join(here, '../../bin/ballast');
const args = ['manifests', '--storage-node', 'storage-1', '--storage-interface', 'eth1'];
writeFileSync(join(here, 'ballast.yaml'), execFileSync(ballast, args));
