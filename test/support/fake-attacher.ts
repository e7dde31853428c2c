// An attacher over maps: what namespaces there are, and which are attached under which name. The names of
// devices are given anew at each attachment, as those of the kernel are. Its state outlives whoever asks.

import type { AttachCallOptions, Attached, Attacher, AttachTarget } from '../../src/attach/types.js';
import { AbortedError } from '../../src/base/errors.js';

export class FakeAttacher implements Attacher {
  readonly attached = new Map<string, Attached>();
  readonly sizes = new Map<string, bigint>();
  readonly targets: AttachTarget[] = [];
  sizeBytesDefault = 1n << 30n;
  /** Called before each step that changes something; what it throws ends the call there. */
  before: (step: string) => void = () => undefined;
  #next = 0;

  async attach(target: AttachTarget, { signal }: AttachCallOptions = {}): Promise<Attached> {
    const uuid = target.uuid.toLowerCase();
    this.targets.push(target);
    if (signal?.aborted) throw new AbortedError('attach');
    const there = this.attached.get(uuid);
    if (there !== undefined && there.state !== 'dead') return there;
    this.before('attach');
    const made: Attached = {
      uuid,
      nqn: target.nqn,
      driver: 'fuse',
      device: `/dev/fake${this.#next++}`,
      sizeBytes: this.sizes.get(uuid) ?? this.sizeBytesDefault,
      state: 'live',
    };
    this.attached.set(uuid, made);
    this.before('attached');
    return made;
  }

  async find(uuid: string): Promise<Attached | undefined> {
    return this.attached.get(uuid.toLowerCase());
  }

  async list(): Promise<readonly Attached[]> {
    return [...this.attached.values()];
  }

  async detach(uuid: string): Promise<void> {
    if (!this.attached.has(uuid.toLowerCase())) return;
    this.before('detach');
    this.attached.delete(uuid.toLowerCase());
    this.before('detached');
  }

  async refresh(uuid: string): Promise<Attached> {
    const there = this.attached.get(uuid.toLowerCase());
    if (there === undefined) throw new Error('there is no such attachment');
    const now = { ...there, sizeBytes: this.sizes.get(there.uuid) ?? there.sizeBytes };
    this.attached.set(there.uuid, now);
    return now;
  }

  /** As after a loss of its target that took too long, or of the process behind it. */
  setState(uuid: string, state: Attached['state']): void {
    const there = this.attached.get(uuid);
    if (there !== undefined) this.attached.set(uuid, { ...there, state });
  }
}
