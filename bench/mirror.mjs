// node bench/mirror.mjs: what a mirrored volume costs beside one remote file, in turns, and what a killed
// member, a killed head and a new member cost it. Three processes on this machine, which share its CPUs and
// its disk with the client: the CPU time of each is told beside the rates.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseChoice, parseCount, parseList, parsePositive, runMain } from './lib/arguments.mjs';
import { perf, serve } from './lib/ballast.mjs';
import { sampleCpu } from './lib/cpu-sampler.mjs';
import { environment, warnOfLoad } from './lib/environment.mjs';
import {
  measureBesideCopy,
  measureFullCopy,
  measureReconciled,
  measureResumed,
  measureReturn,
} from './lib/mirror-faults.mjs';
import { MirrorNodes } from './lib/mirror-nodes.mjs';
import { readRunOptions, textOption } from './lib/run-options.mjs';
import { spread, table, thousands } from './lib/statistics.mjs';
import { makeFile } from './lib/volumes.mjs';

const parts = ['write', 'return', 'reconcile', 'copy'];
const help = `Usage: npm run bench:mirror -- [options]
write      4 KiB random writes of a file in one process, of a mirror of three, of a mirror of two, in turns:
           latency at QD 1 (wanted: 1.6 times that of the file at most), IOPS at QD 32 (wanted: 0.8 of what
           the shared CPUs allow), and the CPU seconds of each process for a million I/Os
return     a member killed under a paced load, random and sequential, and started again: what is copied to
           it, of what was written meanwhile (wanted: 1.2 at most)
reconcile  the head killed under a paced load, random and sequential: regions that it has to make equal
copy       a new member of two: MB/s, beside dd of the same file; what is copied after the head was killed at
           its half; latency of writes at QD 1 while a copy rests and beside it at the default rate, in turns,
           --runs times (wanted: p99 1.1 times as long at most)

  --parts LIST       (default: all)
  --seconds N        each measurement of writes (default: 3)
  --runs N           how often writes are measured (default: 3); ratios are formed within a run
  --mib N            size of the volume (default: 256)
  --down-seconds N   how long the killed member is away (default: 10)
  --pace N           IOPS of the paced loads (default: 1000)
  --directory DIR    where the files are made (default: a temporary directory)
  --out FILE         JSON of the results
  -h, --help

Exit status: 0; 1 when something could not be measured; 2 for wrong options.`;

function readOptions(words) {
  const read = readRunOptions(words, {
    parts: textOption(parts.join(',')),
    mib: textOption('256'),
    'down-seconds': textOption('10'),
    pace: textOption('1000'),
    directory: textOption(),
  });
  if (read === undefined) return undefined;
  const { values, shared } = read;
  return {
    ...shared,
    parts: parseList('parts', values.parts, (option, word) => parseChoice(option, word, parts)),
    mib: parseCount('mib', values.mib, 16, 1 << 20),
    downSeconds: parsePositive('down-seconds', values['down-seconds']),
    pace: parseCount('pace', values.pace, 1, 1_000_000),
  };
}

const depths = [1, 32];
const fresh = (directory, name) => {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
};

async function startWays({ mib }, directory) {
  const plain = fresh(directory, 'file');
  await makeFile(join(plain, 'v.raw'), mib);
  const target = await serve({ volumes: { v: `file:${join(plain, 'v.raw')}` }, directory: plain });
  const mirrors = [];
  for (const members of [3, 2]) {
    const nodes = await MirrorNodes.start({ directory: fresh(directory, `mirror${members}`), members, mib });
    await nodes.inSync();
    mirrors.push(nodes);
  }
  const pidsOf = (nodes) => nodes.nodes.map(({ process }) => process.pid);
  return {
    ways: {
      file: { uri: target.uri('v'), pids: [target.pid] },
      mirror3: { uri: mirrors[0].uri(), pids: pidsOf(mirrors[0]) },
      mirror2: { uri: mirrors[1].uri(), pids: pidsOf(mirrors[1]) },
    },
    async stop() {
      await target.stop();
      for (const nodes of mirrors) await nodes.stop();
    },
  };
}

async function measureOne({ uri, pids }, queueDepth, seconds, directory) {
  const stops = pids.map((pid) => sampleCpu([pid]));
  const job = { rw: 'randwrite', blockBytes: 4096, queueDepth };
  const { iops, latencyUs, cpuSecondsPerMillionIos } = await perf({
    ...{ uri, job, seconds, stateDirectory: directory },
  });
  const shares = stops.map((stop) => stop(seconds));
  // Of the head, of each other member, and of the client.
  const cpu = [...shares.map((share) => (share / iops) * 1e6), cpuSecondsPerMillionIos];
  return { iops, meanUs: latencyUs.mean, p99Us: latencyUs.p99, cpu };
}

async function measureWrites(options, directory) {
  const { seconds, runs } = options;
  const { ways, stop } = await startWays(options, fresh(directory, 'write'));
  const names = Object.keys(ways);
  const measured = depths.map((queueDepth) => ({ queueDepth, file: [], mirror3: [], mirror2: [] }));
  for (let run = 0; run < runs; ++run) {
    // Who is first changes from run to run.
    const order = run % 2 === 0 ? names : names.toReversed();
    for (const one of measured)
      for (const name of order) {
        one[name].push(await measureOne(ways[name], one.queueDepth, seconds, directory));
      }
  }
  await stop();
  return measured.flatMap(({ queueDepth, ...of }) =>
    names.map((name) => {
      const pick = (field) => spread(of[name].map((report) => report[field]));
      // Of all processes: what the file takes for an I/O, of what this takes, is what shared CPUs allow it.
      const cpuOf = ({ cpu }) => cpu.reduce((sum, one) => sum + one, 0);
      const share = of[name].map((report, i) => cpuOf(of.file[i]) / cpuOf(report));
      const ratio = (field) => spread(of[name].map((report, i) => report[field] / of.file[i][field]));
      return {
        ...{ name, queueDepth, iops: pick('iops'), meanUs: pick('meanUs'), p99Us: pick('p99Us') },
        ratioToFile: { iops: ratio('iops'), meanUs: ratio('meanUs') },
        cpuShare: spread(share),
        cpuSecondsPerMillionIos: of[name][0].cpu.map((_, i) => spread(of[name].map(({ cpu }) => cpu[i]))),
      };
    }),
  );
}

async function measureCopies(options, directory) {
  const full = await measureFullCopy(options, fresh(directory, 'copy'));
  const resumed = await measureResumed(options, fresh(directory, 'resumed'));
  const beside = await measureBesideCopy(options, fresh(directory, 'beside'));
  return { full, resumed, beside };
}

const range = ({ median, min, max }, show) => `${show(median)} (${show(min)}..${show(max)})`;
const whole = (value) => value.toFixed(0);
const tenths = (value) => value.toFixed(1);
const hundredths = (value) => value.toFixed(2);
const mb = (bytes) => tenths(bytes / 1e6);

function printWrites(results) {
  const header = [
    'WRITES',
    'IOPS',
    'MEAN US',
    'P99 US',
    'IOPS/FILE',
    'CPUS ALLOW',
    'LATENCY/FILE',
    'CPU S/M: SERVERS, CLIENT',
  ];
  const rows = results.map(({ name, queueDepth, ...one }) => [
    `${name} QD ${queueDepth}`,
    range(one.iops, thousands),
    range(one.meanUs, whole),
    whole(one.p99Us.median),
    range(one.ratioToFile.iops, hundredths),
    hundredths(one.cpuShare.median),
    range(one.ratioToFile.meanUs, hundredths),
    one.cpuSecondsPerMillionIos.map(({ median }) => tenths(median)).join(' '),
  ]);
  console.log(table(header, rows));
}

function printCopy({ full, resumed, beside }) {
  const speed = full.mbPerSecond === undefined ? 'not seen' : `${tenths(full.mbPerSecond)} MB/s`;
  console.log(`full copy of ${mb(full.bytes)} MB: ${speed}; dd ${tenths(full.ddMbPerSecond)} MB/s`);
  const { totalBytes, copiedBytes, ratio } = resumed;
  console.log(
    `killed at half of ${mb(totalBytes)} MB: then ${mb(copiedBytes)} MB, ${hundredths(ratio)} of it`,
  );
  const { cold, alone, pairs } = beside;
  const of = (pick, show) => range(spread(pairs.map(pick)), show);
  console.log(
    `writes at QD 1 while the copy rests: p99 ${of(({ resting }) => resting.p99, whole)} us; beside it at ` +
      `${of((pair) => pair.beside.mbPerSecond, tenths)} MB/s: ${of((pair) => pair.beside.p99, whole)} us; ` +
      `ratio of p99 ${of((pair) => pair.ratioP99, hundredths)}, of p50 ` +
      `${of((pair) => pair.ratioP50, hundredths)}, of means ${of((pair) => pair.ratioMean, hundredths)}`,
  );
  console.log(
    `marks: of a byte, ${hundredths(alone.diskBytesRatio)} are written where regions are marked, ` +
      `${hundredths(cold.diskBytesRatio)} where many are not yet ` +
      `(mean latency ${hundredths(cold.mean / alone.mean)} of the former)`,
  );
}

function printFaults({ back, reconciled, copy }) {
  if (back !== undefined) {
    const header = ['MEMBER AWAY', 'WRITTEN MB', 'COPIED MB', 'COPIED/WRITTEN', 'START S', 'IN SYNC AFTER S'];
    const rows = back.map((one) => [
      `${one.downSeconds} s, ${one.rw} ${one.pace} IOPS`,
      ...[mb(one.writtenBytes), mb(one.copiedBytes), hundredths(one.ratio)],
      ...[hundredths(one.startSeconds), hundredths(one.inSyncSeconds)],
    ]);
    console.log(table(header, rows));
    for (const { rw, failed } of back) if (failed !== undefined) console.log(`${rw}: ${failed}`);
  }
  if (reconciled !== undefined) {
    const header = ['HEAD KILLED', 'REGIONS', 'TO RECONCILE', 'IN SYNC AFTER S'];
    const rows = reconciled.map((one) => [
      `${one.rw} ${one.pace} IOPS`,
      ...[whole(one.regions), whole(one.unreconciledRegions), hundredths(one.inSyncSeconds)],
    ]);
    console.log(table(header, rows));
  }
  if (copy !== undefined) printCopy(copy);
}

runMain('bench:mirror', async (words) => {
  const options = readOptions(words);
  if (options === undefined) return console.log(help);
  const before = environment();
  warnOfLoad('bench:mirror', before);
  const directory = mkdtempSync(join(options.directory, 'ballast-bench-mirror-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const has = (part) => options.parts.includes(part);
  const results = {};
  if (has('write')) {
    results.writes = await measureWrites(options, directory);
    printWrites(results.writes);
  }
  const ofLoads = async (measureOf, name) => {
    const measured = [];
    for (const rw of ['randwrite', 'write'])
      measured.push(await measureOf(options, rw, fresh(directory, `${name}-${rw}`)));
    return measured;
  };
  if (has('return')) results.back = await ofLoads(measureReturn, 'return');
  if (has('reconcile')) results.reconciled = await ofLoads(measureReconciled, 'reconcile');
  if (has('copy')) results.copy = await measureCopies(options, directory);
  printFaults(results);
  if (options.out === undefined) return;
  const { directory: _, out, ...asked } = options;
  const document = { schema: 'ballast-bench-mirror/1', ...before, ...asked, results };
  writeFileSync(out, `${JSON.stringify(document, null, 1)}\n`);
});
