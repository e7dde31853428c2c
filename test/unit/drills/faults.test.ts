import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { drills, drillsOf } from '../../../src/drills/drills.js';
import type { DrillDefinition, FaultyCluster, Scene } from '../../../src/drills/fault.js';
import { diskError } from '../../../src/drills/faults/disk-error.js';
import { stopHead } from '../../../src/drills/faults/freeze.js';
import { killHead, killReplica, powerCut } from '../../../src/drills/faults/kill.js';
import { cutHost, partition } from '../../../src/drills/faults/partition.js';
import { moveHead, rollingRestart, upgrade } from '../../../src/drills/faults/restart.js';
import { slowDisk } from '../../../src/drills/faults/slow-disk.js';
import { storeOutage } from '../../../src/drills/faults/store-outage.js';
import { FrozenDisks } from '../../../src/drills/frozen-disks.js';
import { Network } from '../../../src/drills/network/network.js';
import { Timeline } from '../../../src/drills/report/timeline.js';
import { FakeClusterApi, wholeVolume } from '../../support/fake-drill-cluster.js';

/** Takes down what is done to it, in order. */
class Recorder {
  readonly done: string[] = [];
  pid = 0;
  readonly api = new FakeClusterApi();
  readonly timeline = new Timeline();

  scene(round = 1): Scene {
    this.api.onCall = (call) => void this.done.push(call);
    const note = async (text: string) => void this.done.push(text);
    const cluster: FaultyCluster = {
      api: this.api,
      nodes: ['n1', 'n2', 'n3'].map((name) => ({ name, port: 1, stateDirectory: '', disk: '' })),
      pid: () => this.pid,
      kill: (name) => note(`kill ${name}`),
      stop: (name) => note(`stop ${name}`),
      signal: (name, signal) => void note(`${signal} ${name}`),
      startNode: (name) => note(`start ${name}`),
      startController: () => note('start controller'),
      network: undefined,
      disks: undefined,
      storeProcess: 'etcd',
      startStoreProcess: () => note('start etcd'),
    };
    const { timeline } = this;
    const signal = new AbortController().signal;
    const before = { ...wholeVolume, head: 'n1' };
    return { cluster, volume: 'v', timeline, round, signal, before, whole: () => note('whole') };
  }

  async run(definition: DrillDefinition, round = 1): Promise<readonly (readonly string[])[]> {
    const fault = definition.fault(this.scene(round));
    await fault.inject();
    const injected = this.done.splice(0);
    await fault.heal();
    return [injected, this.done.splice(0)];
  }
}

describe('faults', () => {
  it.each([
    [killHead, ['kill n1'], ['start n1']],
    [stopHead, ['SIGSTOP n1'], ['SIGCONT n1']],
    [storeOutage, ['kill etcd'], ['start etcd']],
    [
      powerCut,
      ['kill n1', 'kill n2', 'kill n3', 'kill etcd', 'kill controller'],
      ['start etcd', 'start controller', 'start n1', 'start n2', 'start n3'],
    ],
  ])('are injected and healed: $name', async (definition, injected, healed) => {
    const recorder = new Recorder();
    expect(await recorder.run(definition)).toEqual([injected, healed]);
    expect(recorder.timeline.events(0n).map(({ kind }) => kind)).toEqual(['fault', 'heal']);
  });

  it('are for another replica each round', async () => {
    const recorder = new Recorder();
    const killed = [await recorder.run(killReplica, 1), await recorder.run(killReplica, 2)];
    expect(killed.map(([injected]) => injected)).toEqual([['kill n3'], ['kill n2']]);
  });

  it('let writes of a process fail, and start it again', async () => {
    const script = "setInterval(() => {}, 1000); console.log('up')";
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    const recorder = new Recorder();
    recorder.pid = child.pid ?? 0;
    const limitOf = () =>
      /^Max file size +(\S+) +(\S+)/m.exec(readFileSync(`/proc/${child.pid}/limits`, 'utf8'));
    const fault = diskError.fault(recorder.scene(1));
    await fault.inject();
    expect(limitOf()?.slice(1)).toEqual(['1048576', 'unlimited']);
    await fault.heal();
    expect(limitOf()?.slice(1)).toEqual(['unlimited', 'unlimited']);
    expect(recorder.done).toEqual(['kill n3', 'start n3']);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expect(fault.inject()).rejects.toMatchObject({ code: 'DRILL_UNAVAILABLE' });
  });

  it('let writes of a disk wait: of a replica all the time, of the head again and again', async () => {
    const disks = new FrozenDisks('/none');
    for (const round of [1, 2]) {
      const recorder = new Recorder();
      const scene = recorder.scene(round);
      let waves = () => {};
      const waved = new Promise<void>((resolve) => {
        waves = resolve;
      });
      disks.freeze = async (name) => void recorder.done.push(`freeze ${name}`);
      disks.thaw = async (name) => {
        recorder.done.push(`thaw ${name}`);
        waves();
      };
      const fault = slowDisk.fault({ ...scene, cluster: { ...scene.cluster, disks } });
      await fault.inject();
      if (round === 2) await waved;
      await fault.heal();
      const node = round === 1 ? 'n3' : 'n1';
      expect(recorder.done.slice(0, 2)).toEqual([`freeze ${node}`, `thaw ${node}`]);
      expect(recorder.done.at(-1)).toBe(`thaw ${node}`);
    }
    await disks.close();
  });

  it('cut another part of the network each round', async () => {
    const network = new Network();
    const cuts: string[] = [];
    for (const [index, drill] of [...Array(5).fill(partition), cutHost].entries()) {
      const round = index + 1;
      const recorder = new Recorder();
      const scene = recorder.scene(round);
      const isCut: ((from: string, to: string) => boolean)[] = [];
      network.cut = (given) => void isCut.push(given);
      const fault = drill.fault({ ...scene, cluster: { ...scene.cluster, network } });
      await fault.inject();
      await fault.heal();
      const names = ['n1', 'n2', 'n3', 'store', 'host'];
      const ways = names.flatMap((from) => names.map((to) => [from, to] as const));
      cuts.push(ways.filter(([from, to]) => from !== to && isCut[0]!(from, to)).join(' '));
      expect(ways.some(([from, to]) => isCut[1]!(from, to))).toBe(false);
    }
    expect(cuts).toEqual([
      'n1,n2 n1,n3 n1,store n1,host n2,n1 n3,n1 store,n1 host,n1',
      'n1,n2 n2,n1 n2,n3 n2,store n2,host n3,n2 store,n2 host,n2',
      'n1,n2 n1,n3 n1,store n1,host',
      'n1,store store,n1',
      'n1,n3 n3,n1',
      'n1,host host,n1',
    ]);
  });

  it('restart each node when all is in sync again, the controller last', async () => {
    const [injected] = await new Recorder().run(rollingRestart);
    const ofNode = (name: string) => [`stop ${name}`, `start ${name}`, 'whole'];
    const controller = ['stop controller', 'start controller'];
    expect(injected).toEqual([...ofNode('n1'), ...ofNode('n2'), ...ofNode('n3'), ...controller]);
  });

  it('upgrade a node when its head has left it, and take it back', async () => {
    const recorder = new Recorder();
    const scene = recorder.scene();
    let looks = 0;
    recorder.api.volume = async () => {
      looks += 1;
      const { head: _, ...headless } = wholeVolume;
      if (looks === 1) return wholeVolume;
      // No head at all is not one that has left: it may come back to this node.
      return looks === 2 ? headless : { ...headless, head: 'elsewhere' };
    };
    await upgrade.fault(scene).inject();
    expect(recorder.done.slice(0, 5)).toEqual(['drain n1', 'stop n1', 'start n1', 'uncordon n1', 'whole']);
    expect(looks).toBeGreaterThanOrEqual(3);
  });

  it('move the head to another node, and wait until it is there', async () => {
    const recorder = new Recorder();
    const scene = recorder.scene();
    recorder.api.onCall = (call) => {
      recorder.done.push(call);
      recorder.api.current = { ...wholeVolume, head: 'n3' };
    };
    await moveHead.fault(scene).inject();
    expect(recorder.done).toEqual(['move v n3']);
    expect(recorder.timeline.events(0n).map(({ text }) => text)).toEqual([
      'the head is moved from n1 to n3',
      'n3 is head',
    ]);
  });
});

describe('the table of drills', () => {
  it('has each under its name, and all of them', () => {
    expect(drillsOf('kill-head')).toEqual([killHead]);
    expect(drillsOf('all')).toBe(drills);
    expect(new Set(drills.map(({ name }) => name)).size).toBe(drills.length);
    expect(() => drillsOf('kill')).toThrow(/one of kill-head, .*, all/);
  });
});
