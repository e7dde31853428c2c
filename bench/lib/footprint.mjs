// What a target takes beyond its volumes: memory with 100 connections that each have 32 I/Os in flight, and
// the time from its start to `ready`. Ours is started anew for each run, with a null volume, whose memory is
// none. Of the peer, whose start is the user's command, memory under the same load is taken as it is.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compiledCode, perf, serve } from './ballast.mjs';
import { startChild, untilReady } from './child.mjs';
import { residentBytes } from './processes.mjs';
import { spread } from './statistics.mjs';

export const footprintLoad = {
  ...{ rw: 'randrw', rwMix: 70, blockBytes: 4096, connections: 100, queueDepth: 100 * 32 },
};
const seconds = 2;
const samplePeriodMs = 100;
const nodeTimeLimitMs = 30_000;

const residentOf = (pids) => pids.reduce((sum, pid) => sum + residentBytes(pid), 0);

/** The most that the target held while it was under load. */
async function loadedBytes(target, device, cpus, stateDirectory) {
  let most = 0;
  const pids = target.pids();
  const timer = setInterval(() => {
    most = Math.max(most, residentOf(pids));
  }, samplePeriodMs);
  try {
    await perf({ uri: target.uri(device), job: footprintLoad, seconds, cpus: cpus.client, stateDirectory });
  } finally {
    clearInterval(timer);
  }
  return most;
}

/** A Node that has loaded the same JavaScript and started nothing: what of the memory is not native. */
async function nodeBytes() {
  const code = pathToFileURL(join(compiledCode(), 'cli/program.js')).href;
  const script = `await import(${JSON.stringify(code)}); console.log('ready'); setInterval(() => {}, 1e6);`;
  const child = startChild([process.execPath, '--input-type=module', '-e', script]);
  const outcome = await untilReady(child, nodeTimeLimitMs);
  if (outcome !== 'ready')
    throw new Error(`a bare Node has to become ready, but ${outcome}: ${child.output()}`);
  const bytes = residentBytes(child.pid);
  await child.stop();
  return bytes;
}

/** Everything else must be asleep. peer: undefined, or awake it is made by `wake`. */
export async function measureFootprint({ runs, cpus, directory, spinUs, peer, peerDevice, wake }) {
  const ours = { startMs: [], readyBytes: [], loadedBytes: [], nodeBytes: [], nativeBytes: [] };
  const state = join(directory, 'footprint');
  for (let run = 0; run < runs; ++run) {
    const target = await serve({
      volumes: { null: 'null:512MiB' },
      ...{ cpus: cpus.target, directory: state, spinUs },
    });
    try {
      ours.startMs.push(target.startMs);
      ours.readyBytes.push(residentOf(target.pids()));
      ours.loadedBytes.push(await loadedBytes(target, 'null', cpus, state));
      ours.nodeBytes.push(await nodeBytes());
      ours.nativeBytes.push(Math.max(0, ours.loadedBytes.at(-1) - ours.nodeBytes.at(-1)));
    } finally {
      await target.stop();
    }
  }
  const result = { load: { ...footprintLoad, seconds } };
  result.ours = Object.fromEntries(Object.entries(ours).map(([key, values]) => [key, spread(values)]));
  if (peer) {
    await wake(peer);
    const bytes = await loadedBytes(peer, peerDevice, cpus, state);
    result.peer = { startMs: spread([peer.startMs]), loadedBytes: spread([bytes]) };
  }
  return result;
}
