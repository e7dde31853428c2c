// Limits and what came of them, as people read them.
import { kebab, type QosWords, qosWords } from '../../base/qos.js';
import type { VolumeBody } from '../../client/api-client.js';

type Counters = NonNullable<VolumeBody['qosCounters']>;

export function qosText(qos: QosWords): string {
  const given = qosWords.filter((word) => qos[word] !== undefined);
  const texts = given.map((word) => `${kebab(word)}=${qos[word]}`);
  if (qos.class !== undefined) texts.unshift(`class=${qos.class}`);
  return texts.length === 0 ? 'none' : texts.join(' ');
}

export function throttledText({ throttledIos, throttledNs, waitingIos }: Counters): string {
  return `${throttledIos} I/Os, ${(throttledNs / 1e9).toFixed(1)} s together, ${waitingIos} wait now`;
}

/** Of the seconds in which it had to wait for the budget. */
export function keptText({ guaranteeSeconds, guaranteeKeptSeconds }: Counters): string {
  if (guaranteeSeconds === 0) return 'never needed';
  return `${((100 * guaranteeKeptSeconds) / guaranteeSeconds).toFixed(2)} % of ${guaranteeSeconds} s`;
}
