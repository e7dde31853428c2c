// The program under test as a disk for the guest: Node.js with its libraries, and of the checkout what
// `ballast` needs to run. Called by run.mjs for cases with the header "# program"; guest/program.sh mounts
// and runs it. The guest's own libraries are not used, so that what was built for the host runs in any
// image.

import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const addon = 'build/addon/RelWithDebInfo/ballast.node';
const spareMib = 64; // for what ext4 itself needs

/** Paths by the names that the loader looks for, itself included. */
function librariesOf(file) {
  const lines = execFileSync('ldd', [file], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [, named, found] = /^\s*(?:(\S+) => )?(\/\S+) \(/.exec(line) ?? [];
    return found === undefined ? [] : [[basename(named ?? found), found]];
  });
}

/** Folders of node_modules that a user of the program has too. */
function runtimeModules(top) {
  const { packages } = JSON.parse(readFileSync(join(top, 'package-lock.json'), 'utf8'));
  const paths = Object.keys(packages).filter((path) => path !== '' && !packages[path].dev);
  return paths.filter((path) => existsSync(join(top, path)));
}

/** Writes an ext4 image; `program` is the bin/ballast of a built checkout. */
export function makeProgramDisk(program, image) {
  const top = dirname(dirname(realpathSync(program)));
  const root = `${image}.files`;
  mkdirSync(join(root, 'lib'), { recursive: true });
  copyFileSync(process.execPath, join(root, 'node'));
  for (const [name, path] of [...librariesOf(process.execPath), ...librariesOf(join(top, addon))])
    copyFileSync(path, join(root, 'lib', name));
  for (const path of ['package.json', 'dist', 'proto', 'scripts', addon, ...runtimeModules(top)])
    cpSync(join(top, path), join(root, 'ballast', path), { recursive: true, dereference: true });
  const usedMib = Number(execFileSync('du', ['-sm', root], { encoding: 'utf8' }).split('\t')[0]);
  const options = ['-q', '-O', '^has_journal', '-m', '0', '-E', 'root_owner=0:0', '-d', root];
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  execFileSync('mkfs.ext4', [...options, image, `${usedMib + spareMib}M`], { env });
  rmSync(root, { recursive: true });
}
