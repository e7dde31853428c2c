// A network that is cut between processes that all live. Another cut each round.
import type { DrillDefinition, Scene } from '../fault.js';
import { hostName, storeName } from '../network/network.js';
import { nodeBesideHead } from './nodes.js';

interface Cut {
  readonly text: string;
  readonly isCut: (from: string, to: string) => boolean;
}

const cuts: readonly ((scene: Scene) => Cut)[] = [
  ({ before: { head } }) => ({
    text: `${head}, the head, is cut from everybody`,
    isCut: (from, to) => from === head || to === head,
  }),
  (scene) => {
    const node = nodeBesideHead(scene);
    return { text: `${node} is cut from everybody`, isCut: (from, to) => from === node || to === node };
  },
  ({ before: { head } }) => ({
    text: `nothing that ${head}, the head, sends arrives`,
    isCut: (from) => from === head,
  }),
  ({ before: { head } }) => ({
    text: `${head}, the head, is cut from the store alone`,
    isCut: (from, to) => [from, to].includes(head) && [from, to].includes(storeName),
  }),
  (scene) => {
    const { head } = scene.before;
    const node = nodeBesideHead(scene);
    return {
      text: `${head}, the head, and ${node} are cut from each other`,
      isCut: (from, to) => [from, to].includes(head) && [from, to].includes(node),
    };
  },
  ({ before: { head } }) => ({
    text: `${head}, the head, is cut from the host alone`,
    isCut: (from, to) => [from, to].includes(head) && [from, to].includes(hostName),
  }),
];

export const partition: DrillDefinition = {
  name: 'partition',
  what:
    'Connections between processes are cut by proxies: what is sent stays under way and arrives late. Each ' +
    'round another cut: the head from everybody; a replica from everybody; the head in one direction; the ' +
    'head from the store; the head from one replica; the head from the host, which waits until it is healed.',
  gapTargetMs: 5_000,
  holdMsMin: 8_000,
  needsNetwork: true,
  fault: (scene) => {
    const { cluster, timeline, round } = scene;
    const { text, isCut } = (cuts[(round - 1) % cuts.length] ?? cuts[0] ?? never)(scene);
    return {
      async inject() {
        timeline.add('fault', text);
        cluster.network?.cut(isCut);
      },
      async heal() {
        timeline.add('heal', 'the network is whole');
        cluster.network?.heal();
      },
    };
  },
};

function never(): Cut {
  throw new Error('there are cuts');
}
