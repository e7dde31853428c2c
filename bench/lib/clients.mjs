// The load generators: `ballast perf`, and one that the user gives by a command template. Both give
// { iops, mibPerSecond, latencyUs, ios, cpuSecondsPerMillionIos } (the last is not known of a given one).

import { basename } from 'node:path';
import { UsageError } from './arguments.mjs';
import { perf, pinned } from './ballast.mjs';
import { lastLine, runChild, shell } from './child.mjs';
import { parsePeerUri } from './peers.mjs';
import { parseSpdkPerf } from './spdk-perf-output.mjs';

const placeholders = [
  ...['addr', 'port', 'nqn', 'rw', 'qd', 'bs', 'seconds', 'rwmix'],
  ...['connections', 'digests'],
];
const needed = ['addr', 'port', 'nqn', 'rw', 'qd', 'bs', 'seconds'];
const digestOptions = { none: '', header: '-H', data: '-I', both: '-H -I' }; // as spdk_nvme_perf calls them
const startTimeLimitMs = 60_000; // what a client may take beyond the load itself

export const ownClient = (stateDirectory) => ({
  name: 'ballast perf',
  lacks: () => undefined,
  async measure(uri, job, seconds, cpus) {
    const report = await perf({ uri, job, seconds, cpus, stateDirectory });
    return { ...report, ios: report.read.ios + report.write.ios };
  },
});

/** Refuses placeholders that are unknown, and templates that would measure the same thing for every job. */
export function checkTemplate(template) {
  const used = [...template.matchAll(/\{(\w*)\}/g)].map(([, name]) => name);
  const unknown = used.find((name) => !placeholders.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`--client: {${unknown}} is none of ${placeholders.map((n) => `{${n}}`).join(' ')}`);
  const missing = needed.find((name) => !used.includes(name));
  if (missing !== undefined) throw new UsageError(`--client: the command has no {${missing}}`);
}

export function fillTemplate(template, uri, job, seconds) {
  const { host, port, nqn } = parsePeerUri(uri);
  const values = {
    ...{ addr: host, port, nqn, rw: job.rw, qd: job.queueDepth, bs: job.blockBytes },
    seconds: Math.ceil(seconds), // spdk_nvme_perf takes whole ones only
    rwmix: job.rwMix ?? (job.rw.endsWith('read') ? 100 : 0),
    connections: job.connections,
    digests: digestOptions[job.digests],
  };
  return template.replaceAll(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Of spdk_nvme_perf -L, or of a program that prints the JSON of `ballast perf -o json`. */
export function parseOutput({ stdout, output }) {
  const spdk = parseSpdkPerf(stdout);
  if (spdk !== undefined) return spdk;
  try {
    const { iops, mibPerSecond, latencyUs } = JSON.parse(stdout);
    if (iops > 0 && ['mean', 'p50', 'p99', 'p999', 'max'].every((key) => latencyUs[key] > 0))
      return { iops, mibPerSecond, latencyUs };
  } catch {} // said below, with what came instead
  throw new Error(`no figures of spdk_nvme_perf -L in its output, which ends: ${lastLine(output)}`);
}

export function givenClient(template) {
  checkTemplate(template);
  const lacks = ({ connections, digests }) => {
    if (connections > 1 && !template.includes('{connections}')) return '{connections}';
    return digests !== 'none' && !template.includes('{digests}') ? '{digests}' : undefined;
  };
  // Of `taskset -c 1 /opt/spdk/spdk_nvme_perf -q {qd}`, what people would call it.
  const words = template
    .trim()
    .split(/\s+/)
    .map((word) => basename(word));
  const name = words.find((word) => /perf|fio/.test(word)) ?? words[0];
  return {
    name,
    lacks,
    async measure(uri, job, seconds, cpus) {
      const command = fillTemplate(template, uri, job, seconds);
      const said = await runChild(pinned(cpus, shell(command)), seconds * 1000 + startTimeLimitMs);
      const figures = parseOutput(said);
      return { ...figures, ios: figures.iops * Math.ceil(seconds) };
    },
  };
}
