// The options of bench/run.mjs, checked as a whole before anything is started.

import {
  parseBlockBytes,
  parseChoice,
  parseCount,
  parseList,
  parsePositive,
  readArguments,
  UsageError,
} from './arguments.mjs';
import { checkTemplate } from './clients.mjs';
import { chooseJobs, connectionsMax, devices, digestKinds, setNames, workloads } from './matrix.mjs';
import { parsePeerUri } from './peers.mjs';

export const help = `Usage: npm run bench -- [options]        (node bench/run.mjs [options])

Measures bin/ballast (or BALLAST_PROGRAM) beside the limit of bare loopback TCP, and beside a peer when one
is given. Prints a table; writes JSON and an SVG of the latencies to bench/results/, where the newest 5 stay.

Which jobs:
  --set NAME           ${setNames.join(', ')} (default: standard)
  --devices LIST       ${devices.join(', ')}
  --rw LIST            ${workloads.join(', ')}
  --qd LIST            I/Os in flight, in all connections together
  --bs LIST            bytes of one I/O, such as 4k,128k
  --connections LIST   I/O queues, each a TCP connection
  --reactors LIST      of the target
  --digests LIST       ${digestKinds.join(', ')}
                       Without --set these lists are multiplied (what is not named: memory, randread and
                       randwrite, QD 1, 32, 128, 4k, 1 connection, 1 reactor, none); with it they take the
                       place of what the set's jobs have.
  --rwmix PERCENT      reads in randrw (default: 70)
  --list               print the jobs and measure nothing

How:
  --seconds N          of each measurement (default: 3; set quick: 1)
  --runs N             how often each job is measured (default: 3)
  --spin-us N          given to our target
  --no-limit           leave bare TCP out

Beside what:
  --peer COMMAND       starts another program's target in the foreground; it prints a line 'ready' within
                       30 s, and ends by SIGTERM
  --peer-uri URI       [DEVICE=]tcp://HOST:PORT/NQN of the peer (DEVICE: memory when left out); repeatable
  --client COMMAND     another load generator, measured too: a command with {addr} {port} {nqn} {rw} {qd} {bs}
                       {seconds}, and if it can {rwmix} {connections} {digests}; prints what
                       spdk_nvme_perf -L prints
  --client-only        leave \`ballast perf\` out

  --out FILE           instead of bench/results/DATE-REVISION.json
  -h, --help

Exit status: 0; 1 when something could not be measured; 2 for wrong options or a peer that does not start.`;

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
const definitions = {
  ...{ set: text, devices: text, rw: text, qd: text, bs: text, connections: text, reactors: text },
  ...{ digests: text, rwmix: { ...text, default: '70' }, list: flag },
  ...{ seconds: text, runs: { ...text, default: '3' }, 'spin-us': text, 'no-limit': flag },
  ...{ peer: text, 'peer-uri': { ...text, multiple: true, default: [] } },
  ...{ client: text, 'client-only': flag, out: text },
};

const choice = (choices) => (option, word) => parseChoice(option, word, choices);
const count = (max) => (option, word) => parseCount(option, word, 1, max);
const reactorsMax = 64;
const axes = {
  devices: ['device', choice(devices)],
  rw: ['rw', choice(workloads)],
  qd: ['queueDepth', count(1_000_000)],
  bs: ['blockBytes', parseBlockBytes],
  connections: ['connections', count(connectionsMax)],
  reactors: ['reactors', count(reactorsMax)],
  digests: ['digests', choice(digestKinds)],
};

function readPeer(values) {
  if (values.peer === undefined && values['peer-uri'].length === 0) return undefined;
  if (values['peer-uri'].length === 0) throw new UsageError('--peer needs --peer-uri: where it is reached');
  if (values.peer === undefined)
    throw new UsageError('--peer-uri needs --peer: the peer has to be paused while others are measured');
  const uris = values['peer-uri'].map(parsePeerUri);
  const twice = uris.find(({ device }, i) => uris.findIndex((one) => one.device === device) !== i);
  if (twice) throw new UsageError(`--peer-uri: ${twice.device} is given twice`);
  return { command: values.peer, uris };
}

/** { help: true }, or everything a run needs to know. */
export function readOptions(words) {
  const { values } = readArguments(words, definitions);
  if (values.help) return { help: true };
  const named = Object.entries(axes).filter(([option]) => values[option] !== undefined);
  const set = chooseJobs({
    setName: values.set === undefined ? undefined : parseChoice('set', values.set, setNames),
    axes: Object.fromEntries(
      named.map(([option, [axis, parse]]) => [axis, parseList(option, values[option], parse)]),
    ),
    rwMix: parseCount('rwmix', values.rwmix, 0, 100),
  });
  if (values.client !== undefined) checkTemplate(values.client);
  else if (values['client-only']) throw new UsageError('--client-only needs --client');
  if (values['spin-us'] !== undefined && values['spin-us'] !== 'max')
    parseCount('spin-us', values['spin-us'], 0, 1_000_000);
  return {
    ...set,
    list: values.list,
    seconds: values.seconds === undefined ? set.seconds : parsePositive('seconds', values.seconds),
    runs: parseCount('runs', values.runs, 1, 1000),
    spinUs: values['spin-us'],
    limit: !values['no-limit'],
    peer: readPeer(values),
    client: values.client,
    clientOnly: values['client-only'],
    out: values.out,
  };
}
