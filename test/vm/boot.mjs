// node test/vm/boot.mjs SCRIPT [6.1|6.12]: runs one bash script as root in a virtual machine, for a look by
// hand. The host's 127.0.0.1 is 10.0.2.2 there. Its output comes out here, its exit status is ours (125: the
// machine died).

import { readFileSync } from 'node:fs';
import { Machine } from './host/machine.mjs';

const [script, kernel = '6.12'] = process.argv.slice(2);
if (!script) {
  console.error('usage: node test/vm/boot.mjs SCRIPT [6.1|6.12]   (after test/vm/setup.sh [6.1|6.12])');
  process.exit(2);
}
const machine = new Machine({ kernel, onLine: (line) => console.log(line) });
process.on('exit', () => machine.kill());
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
const { outcome, status } = await machine.run(readFileSync(script, 'utf8'));
if (outcome !== 'ended') console.error([`the machine ${outcome}`, ...machine.lastWords()].join('\n'));
machine.remove();
process.exitCode = status ?? 125;
