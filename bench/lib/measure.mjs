// The schedule of a bench run: every limit and every job once, then all again, so that a busy minute of the
// machine hits all alike; ours and the peer's measurement of one job directly after each other, and who is
// first changes from run to run.

import { lastLine } from './child.mjs';
import { sampleCpu } from './cpu-sampler.mjs';
import { limitsOf, rawLoopback } from './limit.mjs';
import { jobTitle } from './matrix.mjs';

const limitSecondsMax = 1;
export const limitSeconds = (seconds) => Math.min(seconds, limitSecondsMax);

async function measureOnce(target, client, job, seconds, cpus) {
  const stop = sampleCpu(target.pids());
  let figures;
  try {
    figures = await client.measure(target.uri(job.device), job, seconds, cpus.client);
  } catch (error) {
    stop(seconds);
    throw error;
  }
  return { ...figures, targetCpuSecondsPerMillionIos: (stop(seconds) / figures.iops) * 1e6 };
}

/**
 * plan: { jobs, runs, seconds, limit, clients, ours(job), peer, cpusFor(job), stage, say(line) }.
 * Resolves with { limits: Map of limitKey to figures of the runs, pairs: [{ job, client, ours, peer }] with a
 * figure or undefined for each run, missing: [text] }.
 */
export async function measureAll(plan) {
  const { jobs, runs, seconds, clients, stage, say } = plan;
  const limits = plan.limit ? limitsOf(jobs) : new Map();
  for (const limit of limits.values()) limit.measured = [];
  const pairs = jobs.flatMap((job) =>
    clients
      .filter((client) => client.lacks(job) === undefined)
      .map((client) => ({ job, client, ours: [], peer: [] })),
  );
  const missing = [];
  // A peer has the CPUs of one reactor.
  const against = (job) => (job.reactors === 1 && plan.peer?.has(job.device) ? plan.peer : undefined);

  const measurePair = async (pair, run) => {
    const { job, client } = pair;
    const sides = [
      { who: 'ours', target: plan.ours(job) },
      { who: 'peer', target: against(job) },
    ].filter(({ target }) => target !== undefined);
    for (const { who, target } of run % 2 === 1 ? sides : sides.reverse()) {
      if (target.ended() !== undefined) throw new Error(`the target (${who}) ended with ${target.ended()}`);
      await stage.only(target);
      try {
        pair[who][run - 1] = await measureOnce(target, client, job, seconds, plan.cpusFor(job));
      } catch (error) {
        const why = lastLine(error.message);
        const text = `${jobTitle(job)} QD ${job.queueDepth}, ${who}, ${client.name}, run ${run}: ${why}`;
        missing.push(text);
        say(text);
      }
    }
  };

  for (let run = 1; run <= runs; ++run) {
    say(`run ${run} of ${runs}`);
    await stage.only(undefined);
    for (const { job, memoryMib, measured } of limits.values()) {
      const cpus = plan.cpusFor({ ...job, reactors: 1 });
      measured.push(await rawLoopback(job, limitSeconds(seconds), cpus, memoryMib));
    }
    for (const pair of pairs) await measurePair(pair, run);
  }
  return { limits, pairs, missing };
}

/** About how long it takes, in seconds: what starting and ending a client costs is as seen on two cores. */
export function estimateSeconds({ jobs, runs, seconds, limit, clients, peer }) {
  const clientOverhead = 0.7;
  const limits = limit ? limitsOf(jobs).size * limitSeconds(seconds) : 0;
  const has = (device) => peer?.uris.some((one) => one.device === device) ?? false;
  const sides = jobs.reduce((sum, { device, reactors }) => sum + (reactors === 1 && has(device) ? 2 : 1), 0);
  return runs * (limits + sides * clients * (seconds + clientOverhead));
}
