#!/usr/bin/env node
// Runs the steps of the Dockerfile without an engine: what the builder copies, in a clean folder, and its RUN
// lines; what the image copies of that, in another; then starts the program there. Packages of the image are
// those of this machine. Takes as long as a build of the addon.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readStages } from './dockerfile.mjs';

const top = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const work = mkdtempSync(join(tmpdir(), 'ballast-image-'));
const [builder, image] = readStages(join(top, 'deploy/docker/Dockerfile'));
const folders = { builder: join(work, 'builder'), image: join(work, 'image') };

try {
  mkdirSync(folders.builder);
  mkdirSync(folders.image);
  for (const { sources, target } of builder.copies) copy(top, sources, folders.builder, target);
  for (const command of builder.runs) {
    console.log(`builder: ${command}`);
    execFileSync('bash', ['-c', command], { cwd: folders.builder, stdio: ['ignore', 'inherit', 'inherit'] });
  }
  for (const { sources, target } of image.copies) {
    const inside = sources.map((source) => source.replace(/^\/opt\/ballast\//, ''));
    copy(folders.builder, inside, folders.image, target);
  }
  const program = join(folders.image, 'bin/ballast');
  console.log(`image: ${execFileSync(program, ['--version'], { encoding: 'utf8' }).trim()}`);
  await serveOnce(program);
  console.log('1 passed, 0 failed');
} finally {
  rmSync(work, { recursive: true, force: true });
}

function copy(from, sources, to, target) {
  for (const source of sources) {
    const name = target.endsWith('/') ? join(target, source) : target;
    cpSync(join(from, source), join(to, name), { recursive: true });
  }
}

/** A volume is served and the daemon ends in order. */
async function serveOnce(program) {
  const listen = ['--listen', 'tcp://127.0.0.1:0', '--api-listen', '127.0.0.1:0'];
  const args = ['serve', '--data', join(work, 'state'), ...listen, '--volume', 'a=mem:16MiB'];
  const daemon = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  daemon.stdout.on('data', (text) => {
    output += text;
    if (/^api /m.test(output)) daemon.kill('SIGTERM');
  });
  const code = await new Promise((done) => daemon.on('exit', done));
  if (code !== 0 || !/^ready$/m.test(output)) throw new Error(`serve ended with ${code}:\n${output}`);
  console.log('image: serve was ready, answered SIGTERM and exited 0');
}
