// Which node a fault is for.
import type { Scene } from '../fault.js';

/** One that keeps a replica and is not head: another one each round. */
export function nodeBesideHead({ before, round }: Pick<Scene, 'before' | 'round'>): string {
  const others = before.replicas.map(({ node }) => node).filter((node) => node !== before.head);
  const node = others[round % Math.max(1, others.length)];
  if (node === undefined) throw new Error('the volume has no replica beside that of its head');
  return node;
}
