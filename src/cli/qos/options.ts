// The options that say what a volume may use, for the commands that make or change volumes and classes.
import type { Command } from 'commander';
import { kebab, parseQosNumber, type QosWord, type QosWords, qosWords } from '../../base/qos.js';

export type QosFlags = { readonly [K in QosWord]?: string } & { readonly class?: string };

const texts: Readonly<Record<QosWord, string>> = {
  iops: 'I/Os a second at most',
  readIops: 'reads a second at most',
  writeIops: 'writes a second at most',
  throughput: 'MiB a second at most',
  readThroughput: 'MiB read a second at most',
  writeThroughput: 'MiB written a second at most',
  burstSeconds: 'how long an idle volume saves up what it may use',
  minIops: 'guaranteed I/Os a second; needs a budget',
  weight: 'its part of what no guarantee takes (default: 100)',
};

export function addQosOptions(command: Command, { withClass = true } = {}): Command {
  for (const word of qosWords) command.option(`--${kebab(word)} <n>`, texts[word]);
  if (withClass) command.option('--class <name>', 'a QoS class, for what is not given here');
  return command;
}

/** Undefined: nothing was given. */
export function qosOf(flags: QosFlags): QosWords | undefined {
  const given = qosWords.flatMap((word) => {
    const text = flags[word];
    return text === undefined ? [] : [[word, parseQosNumber(word, text)] as const];
  });
  const qos: QosWords = {
    ...Object.fromEntries(given),
    ...(flags.class !== undefined && { class: flags.class }),
  };
  return Object.keys(qos).length === 0 ? undefined : qos;
}
