// What a killed member or head of a mirrored volume costs: what is copied to a member that comes back, what a
// head has to make equal after a crash, and how fast a new member is filled. Called by bench/mirror.mjs.

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { perf } from './ballast.mjs';
import { runChild } from './child.mjs';
import { MirrorNodes } from './mirror-nodes.mjs';

const block = { blockBytes: 4096 };
const pacedDepth = 4;
const marginSeconds = 2;
const commandTimeLimitMs = 120_000;

/** Writes of `rw`, at QD 4; the pace is a limit of the volume. Its failure is given, not thrown. */
function pacedLoad(nodes, rw, seconds, directory) {
  const job = { ...block, rw, queueDepth: pacedDepth };
  return perf({ uri: nodes.uri(), job, seconds, stateDirectory: directory }).then(
    ({ write }) => ({ writes: write.ios }),
    (error) => ({ failed: error.message }),
  );
}

/**
 * A member is killed under load, and started again after `downSeconds`. "Written" is what was acknowledged
 * from the kill until the member got new writes again; what it missed is no more than that and what was in
 * flight, and less where a block was written twice.
 */
export async function measureReturn({ mib, downSeconds, pace }, rw, directory) {
  const nodes = await MirrorNodes.start({ directory, members: 3, mib, options: `,iops=${pace}` });
  try {
    await nodes.inSync();
    await nodes.settled();
    const [member] = nodes.members;
    const load = pacedLoad(nodes, rw, downSeconds + 3 * marginSeconds, directory);
    await sleep(marginSeconds * 1000);
    const before = await nodes.writes();
    await member.process.kill();
    await sleep(downSeconds * 1000);
    const begin = performance.now();
    await member.start();
    const readyMs = performance.now() - begin;
    let joined;
    let copiedBytes = 0;
    await nodes.inSync(async ({ members }) => {
      for (const { resync } of members) copiedBytes = Math.max(copiedBytes, Number(resync?.totalBytes ?? 0));
      const back = members.every(({ state }) => state === 'joining' || state === 'in_sync');
      if (back && joined === undefined) joined = await nodes.writes();
    });
    const inSyncSeconds = (performance.now() - begin) / 1000;
    const writtenBytes = (joined - before) * block.blockBytes;
    const { failed } = await load;
    return {
      ...{ rw, downSeconds, pace, writtenBytes, copiedBytes },
      ratio: copiedBytes / writtenBytes,
      ...{ startSeconds: readyMs / 1000, inSyncSeconds },
      ...(failed !== undefined && { failed }),
    };
  } finally {
    await nodes.stop();
  }
}

/** The head is killed under load and started again: regions of 1 MiB that it has to make equal. */
export async function measureReconciled({ mib, pace }, rw, directory) {
  const nodes = await MirrorNodes.start({ directory, members: 3, mib, options: `,iops=${pace}` });
  try {
    await nodes.inSync();
    await nodes.settled();
    // The client sees its connection break, and may or may not find the head again: both are fine.
    const load = pacedLoad(nodes, rw, 2 * marginSeconds, directory);
    await sleep(marginSeconds * 1000);
    await nodes.head.process.kill();
    const begin = performance.now();
    await nodes.head.start();
    let unreconciledRegions = 0;
    await nodes.inSync(async (shown) => {
      unreconciledRegions = Math.max(unreconciledRegions, shown.unreconciledRegions);
    });
    const inSyncSeconds = (performance.now() - begin) / 1000;
    await load;
    return { rw, pace, regions: mib, unreconciledRegions, inSyncSeconds };
  } finally {
    await nodes.stop();
  }
}

/** MB/s of the copy to a new member of two, and of dd from the one file into another, durable at its end. */
export async function measureFullCopy({ mib }, directory) {
  const begun = { directory, members: 2, mib };
  const nodes = await MirrorNodes.start(begun);
  // The head has begun a moment ago: what it has copied by now is not counted.
  let first;
  let last;
  await nodes.inSync(async ({ members }) => {
    const doneBytes = Number(members[1].resync?.doneBytes ?? 0);
    if (doneBytes === 0) return;
    last = { doneBytes, atMs: performance.now() };
    first ??= last;
  });
  const inSyncMs = performance.now();
  await nodes.stop();
  const source = nodes.head.file;
  const { size } = statSync(source);
  const begin = performance.now();
  const flags = ['bs=1M', 'iflag=direct', 'oflag=direct', 'conv=fsync', 'status=none'];
  await runChild(['dd', `if=${source}`, `of=${join(directory, 'dd.raw')}`, ...flags], commandTimeLimitMs);
  const ddSeconds = (performance.now() - begin) / 1000;
  const mbPerSecond = first && (size - first.doneBytes) / 1000 / (inSyncMs - first.atMs);
  const ddMbPerSecond = size / 1e6 / ddSeconds;
  return { bytes: size, mbPerSecond, ddMbPerSecond, ratio: mbPerSecond && mbPerSecond / ddMbPerSecond };
}

/** A copy to a new member of two is broken off at its half, as the head is killed: what is copied then. */
export async function measureResumed({ mib }, directory) {
  const rate = `,resync-rate=${Math.ceil(mib / 4)}MiB`;
  const nodes = await MirrorNodes.start({ directory, members: 2, mib, options: rate });
  try {
    const resync = async () => (await nodes.show()).members[1].resync;
    const until = performance.now() + commandTimeLimitMs;
    let total = 0;
    for (let done = 0; total === 0 || done < total / 2; await sleep(5)) {
      const seen = await resync();
      total = Number(seen?.totalBytes ?? total);
      done = Number(seen?.doneBytes ?? done);
      if (performance.now() > until) throw new Error('the copy does not get to its half');
    }
    await nodes.head.process.kill();
    await nodes.head.start();
    let copiedBytes = 0;
    await nodes.inSync(async ({ members }) => {
      copiedBytes = Math.max(copiedBytes, Number(members[1].resync?.totalBytes ?? 0));
    });
    return { totalBytes: total, copiedBytes, ratio: copiedBytes / total };
  } finally {
    await nodes.stop();
  }
}

/**
 * Writes at QD 1 of two members of which one is new: while only the head has the volume, and then in turns
 * while the copy to the new one rests and beside the copy at the default rate, `runs` times: a member that
 * joins is written in both, so that their ratio is the effect of the copy. All regions are marked before.
 * `diskBytesRatio`: of what the head's process writes to disks, to what the client writes, while only the
 * head has the volume; what is above 1 is metadata.
 */
export async function measureBesideCopy({ mib, seconds, runs }, directory) {
  const nodes = await MirrorNodes.start({ directory, members: 2, mib, absent: true });
  try {
    const load = async () => {
      const job = { ...block, rw: 'randwrite', queueDepth: 1 };
      const before = diskBytes(nodes.head.process.pid);
      const { latencyUs, write } = await perf({
        ...{ uri: nodes.uri(), job, seconds, stateDirectory: directory },
      });
      const diskBytesRatio = (diskBytes(nodes.head.process.pid) - before) / (write.ios * block.blockBytes);
      return { ...latencyUs, diskBytesRatio };
    };
    const cold = await load();
    await perf({
      ...{ uri: nodes.uri(), seconds, stateDirectory: directory },
      job: { ...block, rw: 'randwrite', queueDepth: 32 },
    });
    const alone = await load();
    await nodes.setResyncRate(rateAtRest);
    await nodes.members[0].start();
    await joined(nodes);
    const pairs = [];
    for (let run = 0; run < runs; ++run) {
      // Which is first changes from run to run.
      const order = run % 2 === 0 ? ['resting', 'beside'] : ['beside', 'resting'];
      const pair = {};
      for (const one of order) {
        pair[one] = one === 'resting' ? await load() : await besideCopy(nodes, load);
      }
      const ratio = (field) => pair.beside[field] / pair.resting[field];
      pairs.push({ ...pair, ratioP99: ratio('p99'), ratioP50: ratio('p50'), ratioMean: ratio('mean') });
    }
    if ((await nodes.show()).members[1].inSync) {
      throw new Error('the copy was over before the writes beside it were; take more --mib');
    }
    await nodes.setResyncRate(null);
    await nodes.inSync();
    return { cold, alone, pairs };
  } finally {
    await nodes.stop();
  }
}

// One byte a second: the next piece would be copied after days.
const rateAtRest = 1;
const stepMs = 20;

/**
 * The copy goes on from the first write of the load to its last: before and after it, it would be as fast as
 * it goes, and soon be over.
 */
async function besideCopy(nodes, load) {
  const before = await nodes.writes();
  let isOver = false;
  const loaded = load().finally(() => {
    isOver = true;
  });
  while (!isOver && (await nodes.writes()) === before) await sleep(stepMs);
  const from = await nodes.resyncedBytes();
  await nodes.setResyncRate(null);
  const begin = performance.now();
  const latency = await loaded;
  await nodes.setResyncRate(rateAtRest);
  const bytes = (await nodes.resyncedBytes()) - from;
  return { ...latency, mbPerSecond: bytes / 1e6 / ((performance.now() - begin) / 1000) };
}

/** Written to disks by a process so far. */
function diskBytes(pid) {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))[1]);
}

/** What is known of the copy to the one new member, as soon as there is one. */
async function joined(nodes) {
  const until = performance.now() + commandTimeLimitMs;
  for (;;) {
    const { resync } = (await nodes.show()).members[1];
    if (Number(resync?.totalBytes ?? 0) > 0) return resync;
    if (performance.now() > until) throw new Error('no copy begins');
    await sleep(5);
  }
}
