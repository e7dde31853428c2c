// A network that is cut between processes that all live. Another cut each round.
import type { DrillDefinition, Fault, Scene } from '../fault.js';
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
];

export const partition: DrillDefinition = {
  name: 'partition',
  what:
    'Connections between processes are cut by proxies: what is sent stays under way and arrives late. Each ' +
    'round another cut: the head from everybody; a replica from everybody; the head in one direction; the ' +
    'head from the store; the head from one replica.',
  gapTargetMs: 5_000,
  holdMsMin: 8_000,
  needsNetwork: true,
  fault: (scene) => cutting(scene, (cuts[(scene.round - 1) % cuts.length] ?? cuts[0] ?? never)(scene)),
};

export const cutHost: DrillDefinition = {
  name: 'cut-host',
  what:
    'Connections between the host and the head are cut by proxies, and no others: what is sent stays under ' +
    'way and arrives late. The other nodes reach the head, so none of them takes over; one that hears the ' +
    'host asks for the head.',
  gapTargetMs: 5_000,
  holdMsMin: 8_000,
  needsNetwork: true,
  fault: (scene) => {
    const { head } = scene.before;
    return cutting(scene, {
      text: `${head}, the head, is cut from the host alone`,
      isCut: (from, to) => [from, to].includes(head) && [from, to].includes(hostName),
    });
  },
};

function cutting({ cluster, timeline }: Scene, { text, isCut }: Cut): Fault {
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
}

function never(): Cut {
  throw new Error('there are cuts');
}
