// Who may run: of all targets only the one that is measured is awake, the others are stopped by signal, ours
// as well as a peer. A peer that polls would otherwise take its CPU from whoever is measured.

import { setTimeout as sleep } from 'node:timers/promises';

// For what a target does first when it goes on after a pause: timers that are overdue.
const settleMs = 100;

function signalAll(target, name) {
  for (const pid of target.pids()) {
    try {
      process.kill(pid, name);
    } catch {} // it ended since it was listed
  }
}

/** targets: what serve() and startPeer() give. All are asleep until they are chosen. */
export class Stage {
  #targets;
  #awake;

  constructor(targets) {
    this.#targets = targets;
    for (const target of targets) signalAll(target, 'SIGSTOP');
  }

  /** Only `target` runs from now on; none when undefined. */
  async only(target) {
    if (this.#awake === target) return;
    if (this.#awake) signalAll(this.#awake, 'SIGSTOP');
    this.#awake = target;
    if (!target) return;
    signalAll(target, 'SIGCONT');
    await sleep(settleMs);
  }

  /** Wakes all, to stop them in order. */
  release() {
    for (const target of this.#targets) signalAll(target, 'SIGCONT');
    this.#awake = undefined;
  }
}
