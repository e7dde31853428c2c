// The processes of a mirrored volume `v` as bench/mirror.mjs starts them: one for each member, each with a
// file and a state directory of its own; the first is the head. None is pinned: they share all CPUs with
// their client, as many processes on few CPUs have to.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nqnOf, serve } from './ballast.mjs';
import { daemonApi, untilApi } from './daemon-api.mjs';
import { makeFile } from './volumes.mjs';

const inSyncTimeLimitMs = 120_000;
const settledTimeLimitMs = 60_000;

class Node {
  constructor(directory, options) {
    this.directory = directory;
    this.options = options;
    this.file = join(directory, 'v.raw');
  }

  /** Where it was before, if it was started before. */
  async start() {
    const { directory, options } = this;
    this.process = await serve({ directory, options, port: this.process?.port });
  }

  replicaUri() {
    return /^replica r: .*(tcp:\/\/\S+)$/m.exec(this.process.stdout())[1];
  }
}

export class MirrorNodes {
  nodes = [];

  /**
   * members: how many. The head's file is written first; what the others have is nothing. `absent`: they are
   * stopped before the head starts, and start() brings one of them in.
   */
  static async start({ directory, members, mib, options = '', absent = false }) {
    const self = new MirrorNodes();
    const inDirectory = (index) => {
      const path = join(directory, `${index}`);
      mkdirSync(path, { recursive: true });
      return path;
    };
    for (let index = 1; index < members; ++index) {
      const path = inDirectory(index);
      const node = new Node(path, ['--replica', `r=file:${join(path, 'v.raw')}:${mib}MiB`]);
      await node.start();
      self.nodes.push(node);
    }
    const uris = self.nodes.map((node) => node.replicaUri());
    if (absent) for (const node of self.nodes) await node.process.stop();
    const path = inDirectory(0);
    const file = join(path, 'v.raw');
    await makeFile(file, mib);
    const spec = [`v=file:${file}:${mib}MiB`, ...uris, `nqn=${nqnOf('v')}`].join(',');
    self.head = new Node(path, ['--mirror', `${spec}${options}`]);
    await self.head.start();
    self.nodes.unshift(self.head);
    self.ask = await daemonApi(path);
    await untilApi(self.ask);
    return self;
  }

  get members() {
    return this.nodes.slice(1);
  }

  uri() {
    return this.head.process.uri('v');
  }

  show() {
    return this.ask('GET', 'mirrors/v');
  }

  /** Of copies to members, in bytes a second; null: the default. */
  setResyncRate(bytesPerSecond) {
    return this.ask('PATCH', 'mirrors/v', { resyncBytesPerSecond: bytesPerSecond });
  }

  /** What the new member got so far. */
  async resyncedBytes() {
    const { members } = await this.show();
    return Number(members.find(({ resync }) => resync !== undefined)?.resync.doneBytes ?? Number.NaN);
  }

  /** Writes that were acknowledged, since the head's process began. */
  async writes() {
    const { volumes } = await this.ask('GET', 'stats');
    return Number(volumes.find(({ name }) => name === 'v').writes);
  }

  /** Until all are in sync; `each` sees everything that the head said on the way. */
  async inSync(each = async () => {}) {
    const until = performance.now() + inSyncTimeLimitMs;
    for (;;) {
      const shown = await this.show();
      await each(shown);
      if (shown.state === 'serving' && shown.members.every(({ inSync }) => inSync)) return;
      if (performance.now() > until) throw new Error(`not in sync in time: ${JSON.stringify(shown)}`);
      await sleep(10);
    }
  }

  /** Until no region is marked, as long after the last write or copy: a copy marks all that it writes. */
  async settled() {
    const until = performance.now() + settledTimeLimitMs;
    while ((await this.show()).markedRegions > 0) {
      if (performance.now() > until) throw new Error('regions are marked still, without any write');
      await sleep(100);
    }
  }

  async stop() {
    for (const { process } of [this.head, ...this.members]) await process.stop();
  }
}
