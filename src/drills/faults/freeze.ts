// A node that says nothing and closes nothing, as one that was unplugged.
import type { DrillDefinition } from '../fault.js';

export const stopHead: DrillDefinition = {
  name: 'stop-head',
  what:
    'SIGSTOP to the agent of the node that is head: its connections stay and nobody answers. Later ' +
    'SIGCONT: it comes back with what it had under way, and must not do it.',
  gapTargetMs: 5_000,
  holdMsMin: 8_000,
  fault: ({ cluster, timeline, before: { head } }) => ({
    async inject() {
      timeline.add('fault', `SIGSTOP to ${head}`);
      cluster.signal(head, 'SIGSTOP');
    },
    async heal() {
      timeline.add('heal', `SIGCONT to ${head}`);
      cluster.signal(head, 'SIGCONT');
    },
  }),
};
