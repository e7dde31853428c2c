// All processes of a drill. What must stay true: whatever happens, none is left; also when this process ends
// without having asked.
import { type ProcessOptions, SupervisedProcess } from './supervised-process.js';

export class Supervisor {
  readonly #running = new Set<SupervisedProcess>();
  readonly #killAll = () => {
    for (const one of this.#running) one.signal('SIGKILL');
  };
  #isEnding = false;

  constructor() {
    process.on('exit', this.#killAll);
  }

  start(options: ProcessOptions): SupervisedProcess {
    if (this.#isEnding) throw new Error('the drill is ending');
    const started = new SupervisedProcess(options);
    this.#running.add(started);
    void started.ended.then(() => this.#running.delete(started));
    return started;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Kills what runs, and nothing can be started any more. Idempotent. */
  async endAll(): Promise<void> {
    this.#isEnding = true;
    await Promise.all([...this.#running].map((one) => one.kill()));
    process.off('exit', this.#killAll);
  }
}
