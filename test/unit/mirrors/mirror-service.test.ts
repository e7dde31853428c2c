import { pino } from 'pino';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { replicasMadeFor } from '../../../src/base/mirror-settings.js';
import { parseMirrorOption } from '../../../src/base/mirror-spec.js';
import { replicaNqn } from '../../../src/base/nqn.js';
import { parseReplicaOption } from '../../../src/base/replica-spec.js';
import { MirrorService } from '../../../src/mirrors/mirror-service.js';
import { nobody } from '../../../src/mirrors/record.js';
import { MirrorRecords, mirrorsPrefix } from '../../../src/mirrors/records.js';
import type { OpenedMirrors } from '../../../src/mirrors/types.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import { FakeEngine } from '../../support/fake-engine.js';
import { FakeDisks } from '../../support/fake-pools.js';

const uuid = (letter: string) => `${letter.repeat(8)}-1111-2222-3333-444444444444`;
const remote = (letter: string, port = 4421) => `tcp://127.0.0.1:${port}/${replicaNqn(uuid(letter))}`;
const hostId = uuid('f');
const host = { hostId, hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${hostId}` };
const mib = 1n << 20n;

/** A daemon: disks and the store stay when it is started again. */
class World {
  readonly disks = new FakeDisks();
  readonly store = openMemoryStore();
  readonly lines: string[] = [];
  readonly log = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(line) });
  engine = new FakeEngine(this.disks);
  service = this.#newService();
  volumeUuid = uuid('9');

  #newService(): MirrorService {
    const { engine, store, log } = this;
    return new MirrorService({ engine, store, log });
  }

  async start({ replicas = [] as string[], mirrors = [] as string[] }): Promise<OpenedMirrors> {
    this.engine = new FakeEngine(this.disks);
    this.service = this.#newService();
    const specs = mirrors.map(parseMirrorOption);
    const wanted = specs.map((spec) => ({
      spec,
      identity: { nqn: `nqn.2026-11.dev.ballast:volume:${uuid('8')}`, uuid: spec.uuid ?? this.volumeUuid },
    }));
    const all = [...replicas.map(parseReplicaOption), ...specs.flatMap(replicasMadeFor)];
    return this.service.open({ replicas: all, mirrors: wanted, host });
  }

  /** A replica as it would be after it was used. */
  change(path: string, change: object): void {
    const found = this.disks.replicas.get(path);
    if (found === undefined) throw new Error(`there is no replica at ${path}`);
    this.disks.replicas.set(path, { ...found, ...change });
  }

  async record() {
    return (await new MirrorRecords(this.store).get('db'))?.record;
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

const two = { mirrors: [`db=file:/a:16MiB,${remote('b')}`] };

describe('a new mirrored volume', () => {
  it('has the data of its first member; the others join by a copy', async () => {
    const { replicas, volumes, problems } = await world.start(two);
    expect(problems).toEqual([]);
    expect(world.engine.mirrors.asked).toEqual([
      expect.objectContaining({ name: 'db', path: '/a', content: 'complete', volumeUuid: uuid('9') }),
    ]);
    const [local] = replicas;
    const record = await world.record();
    expect(record).toEqual({
      revision: expect.any(BigInt),
      epoch: 0n,
      head: nobody,
      headStopped: true,
      members: [
        { uuid: local?.uuid, inSync: true, sealedEpoch: 0n },
        { uuid: uuid('b'), inSync: false, sealedEpoch: 0n },
      ],
      minInSync: 1,
      blockSizeBytes: 4096,
      blocksCount: 4096n,
    });
    expect(volumes).toMatchObject([{ name: 'db', kind: 'mirror', uuid: uuid('9'), sizeBytes: 16n * mib }]);
    const node = await new MirrorRecords(world.store).node();
    expect(world.engine.volumes[0]?.mirror).toEqual({
      members: [
        { uuid: local?.uuid, replica: 'db' },
        { uuid: uuid('b'), address: { host: '127.0.0.1', port: 4421 } },
      ],
      ...{ record, node, ...host, failBelowMin: false },
    });
  });

  it('hands on what it was told beside its members', async () => {
    const options = 'min-in-sync=2,lease=500,latency-budget=900,resync-rate=1MiB,below-min=fail,iops=7';
    await world.start({ mirrors: [`db=file:/a:16MiB,${remote('b')},${options},allow-host=${host.hostNqn}`] });
    expect((await world.record())?.minInSync).toBe(2);
    expect(world.engine.volumes[0]).toMatchObject({
      hosts: [host.hostNqn],
      qos: { iops: 7 },
      mirror: { leaseMs: 500, latencyBudgetMs: 900, resyncBytesPerSecond: mib, failBelowMin: true },
    });
  });

  it('makes only the first of its replicas complete', async () => {
    const replicas = ['r1=file:/1:16MiB', 'r2=file:/2:16MiB', 'r3=file:/3:16MiB'];
    await world.start({ replicas, mirrors: ['db=r2,r1'] });
    expect(world.engine.mirrors.asked.map(({ name, content = 'nothing' }) => `${name} ${content}`)).toEqual([
      'r1 nothing',
      'r2 complete',
      'r3 nothing',
    ]);
  });

  it.each([
    [
      'whose first member is of another daemon',
      { mirrors: [`db=${remote('b')},file:/a:16MiB`] },
      {},
      'not of this',
    ],
    ['over a replica that was used', two, { maxEpoch: 3n }, 'was used by a head already (epoch 3)'],
    ['over a replica without data', two, { content: 'nothing' }, 'holds no data yet'],
    ['over a replica of another volume', two, { volumeUuid: uuid('7') }, `belongs to volume ${uuid('7')}`],
    ['over damaged metadata', two, { unusable: true }, 'has damaged metadata'],
  ])('is not made %s', async (_what, wanted, change, reason) => {
    await world.start(two);
    await world.store.commit([], [{ type: 'delete', key: `${mirrorsPrefix}db` }]);
    world.change('/a', change);
    await expect(world.start(wanted)).rejects.toThrow(
      expect.objectContaining({ code: 'MIRROR_CONFLICT', message: expect.stringContaining(reason) }),
    );
    expect(await world.record()).toBeUndefined();
    expect(world.engine.volumes).toEqual([]);
  });

  it('is made when the daemon ended before its record was stored', async () => {
    await world.start(two);
    await world.store.commit([], [{ type: 'delete', key: `${mirrorsPrefix}db` }]);
    expect((await world.start(two)).volumes).toHaveLength(1);
  });

  it('needs members that differ', async () => {
    const { replicas } = await world.start({ replicas: ['r1=file:/a:16MiB'] });
    const same = `tcp://127.0.0.1:4421/${replicas[0]?.nqn}`;
    await expect(world.start({ replicas: ['r1=file:/a'], mirrors: [`db=r1,${same}`] })).rejects.toThrow(
      'is a member twice',
    );
  });
});

describe('a mirrored volume that is known', () => {
  it('is served with its record, in the order of its members, and by the same node', async () => {
    await world.start(two);
    const answer = await world.engine.mirrors.ask('db', { epoch: 1n, head: uuid('c') });
    const before = world.engine.volumes[0]?.mirror;
    world.volumeUuid = uuid('6'); // volumes.json is lost: the record knows better
    await world.start({ mirrors: [`db=${remote('b', 5000)},file:/a`] });
    const { mirror, uuid: volume } = world.engine.volumes[0] ?? {};
    expect(volume).toBe(uuid('9'));
    expect(mirror?.record).toEqual(answer.kind === 'stored' ? answer.current : undefined);
    expect(mirror?.node).toBe(before?.node);
    expect(mirror?.members).toEqual([
      before?.members[0],
      { uuid: uuid('b'), address: { host: '127.0.0.1', port: 5000 } },
    ]);
    expect(world.engine.mirrors.asked[0]?.content).toBeUndefined();
  });

  it('takes another min-in-sync, by compare-and-swap', async () => {
    await world.start(two);
    const before = await world.record();
    await world.start({ mirrors: [`${two.mirrors[0]},min-in-sync=2`] });
    expect(await world.record()).toEqual({ ...before, minInSync: 2, revision: expect.any(BigInt) });
    await world.start(two);
    expect((await world.record())?.minInSync).toBe(2);
  });

  it.each([
    ['a member more', [`db=file:/a,${remote('b')},${remote('c')}`], 'ballast mirror add-member db'],
    ['another member', [`db=file:/a,${remote('c')}`], `(${uuid('c')}) is not one of its members`],
    ['another uuid', [`db=file:/a,${remote('b')},uuid=${uuid('7')}`], `its uuid is ${uuid('9')}`],
  ])('refuses %s', async (_what, mirrors, reason) => {
    await world.start(two);
    const before = await world.record();
    await expect(world.start({ mirrors })).rejects.toThrow(
      expect.objectContaining({ code: 'MIRROR_CONFLICT', message: expect.stringContaining(reason) }),
    );
    expect(await world.record()).toEqual(before);
  });

  it('refuses a member less', async () => {
    await world.start({ mirrors: [`db=file:/a:16MiB,${remote('b')},${remote('c')}`] });
    await expect(world.start(two)).rejects.toThrow('ballast mirror remove-member db');
  });

  it.each([
    ['size', { sizeMaxBytes: 8n * mib }, 'can have 8 MiB at most, the volume has 16 MiB'],
    ['block size', { blockSizeBytes: 512 }, 'has 512-byte blocks, the volume 4096'],
    ['volume', { volumeUuid: uuid('7') }, `belongs to volume ${uuid('7')}`],
  ])('refuses a replica of another %s', async (_what, change, reason) => {
    await world.start(two);
    world.change('/a', change);
    await expect(world.start(two)).rejects.toThrow(reason);
  });

  it('refuses a record that is damaged before a replica is touched', async () => {
    await world.start(two);
    await world.store.commit([], [{ type: 'put', key: `${mirrorsPrefix}db`, value: Buffer.from('{"a":1}') }]);
    await expect(world.start(two)).rejects.toThrow(
      expect.objectContaining({
        code: 'MIRROR_RECORD_DAMAGED',
        message: expect.stringContaining('restored'),
      }),
    );
    expect(world.engine.mirrors.asked).toEqual([]);
  });
});

describe('other members', () => {
  const local = { replicas: ['r1=file:/b:16MiB'], ...two };
  const uuids = async () => (await world.record())?.members.map((member) => member.uuid);
  const places = () => world.engine.volumes[0]?.mirror?.members;

  it('are added while it is served, and known at the next start', async () => {
    const first = (await world.start(local)).replicas.find(({ name }) => name === 'db')?.uuid;
    const added = await world.service.addMember('db', remote('c'));
    expect(added.members[2]).toMatchObject({ uuid: uuid('c'), place: 'tcp://127.0.0.1:4421', inSync: false });
    const r1 = (await world.service.addMember('db', 'r1')).members[3]?.uuid;
    expect(await uuids()).toEqual([first, uuid('b'), uuid('c'), r1]);
    expect(world.lines.join()).toContain(`${uuid('c')} is a member now; 1 of 3 in sync`);
    await world.start(local);
    expect(places()).toMatchObject([
      { replica: 'db' },
      { uuid: uuid('b') },
      { uuid: uuid('c') },
      { replica: 'r1' },
    ]);
    // Where the command line says it anew, that counts.
    await world.start({ ...local, mirrors: [`db=file:/a:16MiB,${remote('b')},${remote('c', 5555)}`] });
    expect(places()?.[2]?.address?.port).toBe(5555);
  });

  it('leave their place to others, and may be named still when it starts', async () => {
    const first = (await world.start(local)).replicas.find(({ name }) => name === 'db')?.uuid;
    await world.service.addMember('db', remote('c'));
    const removed = await world.service.removeMember('db', uuid('b'));
    expect(removed.members.map((member) => member.uuid)).toEqual([first, uuid('c')]);
    expect(await uuids()).toEqual([first, nobody, uuid('c')]);
    expect(world.lines.join()).toContain('is no member any more; 1 of 2 in sync');
    const { problems } = await world.start(local);
    expect(problems).toEqual([]);
    expect(places()).toMatchObject([{ replica: 'db' }, { uuid: nobody }, { uuid: uuid('c') }]);
    await world.service.addMember('db', remote('d'));
    expect(await uuids()).toEqual([first, uuid('d'), uuid('c')]);
    await world.service.removeMember('db', remote('d'));
    await world.service.removeMember('db', 'tcp://127.0.0.1:4421');
    expect(await uuids()).toEqual([first]);
    // Back again: everything is copied to it.
    await world.service.addMember('db', remote('b'));
    await world.start(local);
    expect(await uuids()).toEqual([first, uuid('b')]);
  });

  it('become larger with their volume, and stay so', async () => {
    await world.start(two);
    expect((await world.service.resize('db', 20n * mib)).sizeBytes).toBe(20n * mib);
    expect((await world.record())?.blocksCount).toBe(5120n);
    await expect(world.service.resize('log', mib)).rejects.toThrow("no mirrored volume 'log'");
    const { volumes } = await world.start(two); // the one of this daemon says what it was made with
    expect(volumes[0]?.sizeBytes).toBe(20n * mib);
    world.engine.mirrors.growthTrouble = 'member x did not become larger: no space';
    await expect(world.service.resize('db', 24n * mib)).rejects.toThrow(
      "mirror 'db': member x did not become larger: no space",
    );
    expect((await world.service.get('db')).sizeBytes).toBe(20n * mib);
    world.change('/a', { sizeMaxBytes: 16n * mib });
    await expect(world.start(two)).rejects.toThrow(
      "replica 'db' can have 16 MiB at most, the volume has 20 MiB",
    );
  });

  it('are copied to at another rate, and at their own again', async () => {
    await world.start(two);
    expect((await world.service.get('db')).resyncBytesPerSecond).toBeUndefined();
    expect((await world.service.setResyncRate('db', mib)).resyncBytesPerSecond).toBe(mib);
    expect((await world.service.setResyncRate('db', undefined)).resyncBytesPerSecond).toBeUndefined();
    await expect(world.service.setResyncRate('log', mib)).rejects.toThrow("no mirrored volume 'log'");
  });

  it('are compared, and how far that is is shown', async () => {
    await world.start(two);
    expect((await world.service.get('db')).verify).toBeUndefined();
    expect((await world.service.startVerify('db')).verify).toMatchObject({
      ...{ state: 'running', totalBytes: 16n * mib },
    });
    expect((await world.service.cancelVerify('db')).verify).toMatchObject({ state: 'cancelled' });
    await expect(world.service.startVerify('log')).rejects.toThrow("no mirrored volume 'log'");
    await expect(world.service.cancelVerify('log')).rejects.toThrow("no mirrored volume 'log'");
  });

  it('are refused where they cannot be members', async () => {
    await world.start({ replicas: ['r1=file:/b:8MiB'] });
    world.change('/b', { sizeMaxBytes: 8n * mib });
    await world.start({ replicas: ['r1=file:/b:8MiB'], ...two });
    const refused = (member: string) => world.service.addMember('db', member).catch((error) => error.message);
    expect(await refused('r1')).toMatch(/replica 'r1' can have 8 MiB at most, the volume has 16 MiB/);
    expect(await refused('r2')).toMatch(/there is no replica 'r2'/);
    expect(await refused(remote('b'))).toMatch(/is a member of it already/);
    expect(await refused('file:/c')).toMatch(/start this daemon with it as a --replica/);
    expect(await refused('tcp://127.0.0.1:1')).toMatch(/does not name a replica/);
    await expect(world.service.removeMember('db', 'r7')).rejects.toThrow("'r7' is no member of it");
    await expect(world.service.addMember('log', 'r1')).rejects.toThrow("no mirrored volume 'log'");
    expect((await world.record())?.members.length).toBe(2);
  });

  it('are refused when what the store says of their places is damaged', async () => {
    await world.start(two);
    const value = Buffer.from('{"version":1,"added":{"x":"y"},"removed":[]}');
    const key = 'mirror-places/db';
    await world.store.commit([{ key, revision: 0n }], [{ type: 'put', key, value }]);
    await expect(world.start(two)).rejects.toThrow('of where its members are is damaged');
  });
});

describe('replicas', () => {
  it('keep the UUID that they were made with', async () => {
    const made = (await world.start({ replicas: ['r1=file:/a:16MiB'] })).replicas[0];
    const again = await world.start({ replicas: [`r1=file:/a,uuid=${made?.uuid}`] });
    expect(again.replicas[0]).toMatchObject({ uuid: made?.uuid, nqn: replicaNqn(made?.uuid ?? '') });
    await expect(world.start({ replicas: [`r1=file:/a,uuid=${uuid('7')}`] })).rejects.toThrow(
      `has the uuid ${made?.uuid}, not ${uuid('7')}`,
    );
  });

  it('of a pool need a volume of it that is not encrypted', async () => {
    const engine = world.engine;
    world.disks.blank.set('/p', 1n << 30n);
    const wrappedKey = Buffer.from('key');
    const pools = { poolVolumes: async () => [{ name: 'plain' }, { name: 'secret', wrappedKey }] };
    const service = new MirrorService({
      engine: Object.assign(engine, pools as unknown as Pick<FakeEngine, 'poolVolumes'>),
      store: world.store,
      log: world.log,
    });
    const open = (spec: string) => service.open({ replicas: [parseReplicaOption(spec)], mirrors: [], host });
    await expect(open('r1=pool:p/other')).rejects.toThrow("pool 'p' has no volume 'other'; make it first");
    await expect(open('r1=pool:p/secret')).rejects.toThrow('encrypted, and replicas cannot be yet');
  });

  it('of a pool that is not open keep only their mirror from being served', async () => {
    const { problems, volumes, replicas } = await world.start({
      replicas: ['r1=pool:p/v', 'r2=file:/b:16MiB'],
      mirrors: [`db=r1,${remote('b')}`, `log=file:/c:16MiB,${remote('d')}`],
    });
    expect(problems).toEqual([
      expect.stringMatching(/^replica r1: pool 'p' is not open/),
      'mirror db: its member, replica r1, is not there',
    ]);
    expect(volumes.map(({ name }) => name)).toEqual(['log']);
    expect(replicas.map(({ name }) => name)).toEqual(['r2', 'log']);
  });
});

describe('heads', () => {
  it('change the record by the bridge, and are answered', async () => {
    await world.start(two);
    const answer = await world.engine.mirrors.ask('db', { epoch: 1n, head: uuid('c') });
    expect(answer).toEqual({ kind: 'stored', current: await world.record() });
    await world.service.close();
    expect(await world.engine.mirrors.ask('db', { epoch: 2n })).toEqual({ kind: 'unavailable' });
    expect((await world.record())?.epoch).toBe(1n);
  });

  it('are told of with where their members are', async () => {
    const { replicas } = await world.start(two);
    const view = await world.service.get('db');
    expect(await world.service.list()).toEqual([view]);
    expect(view).toMatchObject({
      ...{ name: 'db', uuid: uuid('9'), state: 'serving', activity: 'degraded', epoch: 0n, minInSync: 1 },
      ...{ unreconciledRegions: 3, markedRegions: 2 },
      members: [
        { uuid: replicas[0]?.uuid, place: 'replica db', local: true, inSync: true, state: 'in_sync' },
        { uuid: uuid('b'), place: 'tcp://127.0.0.1:4421', local: false, inSync: false, state: 'down' },
      ],
    });
    expect(view.head).toBeUndefined();
    await expect(world.service.get('other')).rejects.toThrow("no mirrored volume 'other'");
  });
});

describe('snapshots of a mirrored volume', () => {
  const holders = async () => (await world.service.snapshots('db')).map(({ members }) => members);
  const states = async () =>
    (await world.service.snapshots('db')).map(({ name, state }) => `${name} ${state}`);
  /** The second member is one of the set. */
  const bothInSync = async () => {
    await world.start(two);
    await secondInSync();
  };
  const secondInSync = async () => {
    const { record } = world.engine.mirrors.head('db');
    const members = record.members.map((member) => ({ ...member, inSync: true }));
    await world.engine.mirrors.ask('db', { members });
    memberStates('in_sync', 'in_sync');
  };
  const memberStates = (...said: readonly string[]) => {
    const head = world.engine.mirrors.head('db');
    head.members = head.members.map((member, index) => ({ ...member, state: said[index] ?? 'down' }));
  };

  it('are remembered with the members that have them', async () => {
    await bothInSync();
    const taken = await world.service.snapshot('db', 'monday');
    expect(taken).toMatchObject({ name: 'monday', state: 'complete', sizeBytes: 16n * mib, heldMs: 1.5 });
    expect(taken.members).toHaveLength(2);
    expect((await world.service.get('db')).snapshots).toMatchObject([{ name: 'monday', state: 'complete' }]);
    await expect(world.service.snapshot('db', 'monday')).rejects.toThrow(
      "volume 'db' has a snapshot 'monday' already",
    );
    await expect(world.service.snapshot('db', 'a/b')).rejects.toThrow('1 to 63 letters');
    await expect(world.service.snapshot('log', 'x')).rejects.toThrow("no mirrored volume 'log'");
    await world.start(two);
    expect(await states()).toEqual(['monday complete']);
  });

  it('are degraded while a member does not have them', async () => {
    await world.start(two);
    expect(await world.service.snapshot('db', 'monday')).toMatchObject({ state: 'degraded' });
    expect(await holders()).toEqual([[expect.any(String)]]);
  });

  it('are listed in the order in which they were taken, also those of one second', async () => {
    await bothInSync();
    for (const name of ['c', 'b', 'a']) await world.service.snapshot('db', name);
    expect(await states()).toEqual(['c complete', 'b complete', 'a complete']);
    memberStates('in_sync', 'down');
    await expect(world.service.deleteSnapshot('db', 'c')).rejects.toThrow('not reachable now');
    expect(await states()).toEqual(['c deleting', 'b complete', 'a complete']);
  });

  it('are none when a member refuses, and nothing is left of them', async () => {
    await bothInSync();
    world.engine.mirrors.snapshotTrouble = 'member x took none: no space';
    await expect(world.service.snapshot('db', 'monday')).rejects.toThrow(
      "mirror 'db': no snapshot was taken: member x took none: no space",
    );
    expect(await states()).toEqual([]);
    expect([...world.engine.mirrors.taken.values()].map(({ size }) => size)).toEqual([0, 0]);
  });

  it('that are not complete are known by their name, and taken or deleted again', async () => {
    await bothInSync();
    world.engine.mirrors.snapshotTrouble = 'all members were lost';
    memberStates('in_sync', 'down');
    await expect(world.service.snapshot('db', 'monday')).rejects.toThrow('all members were lost');
    await expect(world.service.snapshot('db', 'tuesday')).rejects.toThrow('all members were lost');
    expect(await states()).toEqual(['monday incomplete', 'tuesday incomplete']);
    world.engine.mirrors.snapshotTrouble = undefined;
    await expect(world.service.deleteSnapshot('db', 'tuesday')).rejects.toThrow(
      `but for what ${uuid('b')} may have of it`,
    );
    expect(await states()).toEqual(['monday incomplete', 'tuesday deleting']);
    memberStates('in_sync', 'in_sync');
    expect(await world.service.snapshot('db', 'monday')).toMatchObject({ state: 'complete' });
    await world.service.deleteSnapshot('db', 'tuesday');
    expect(await states()).toEqual(['monday complete']);
    expect([...world.engine.mirrors.taken.values()].map(({ size }) => size)).toEqual([1, 1]);
  });

  it('are deleted of all members, of one that was away when it is back', async () => {
    await bothInSync();
    await world.service.snapshot('db', 'monday');
    memberStates('in_sync', 'down');
    await expect(world.service.deleteSnapshot('db', 'monday')).rejects.toThrow('not reachable now');
    expect(await holders()).toEqual([[uuid('b')]]);
    memberStates('in_sync', 'in_sync');
    await world.service.deleteSnapshot('db', 'monday');
    expect(await states()).toEqual([]);
    await expect(world.service.deleteSnapshot('db', 'monday')).rejects.toThrow("no snapshot 'monday'");
  });

  it('are carried to a member that is in sync again, the oldest first', async () => {
    await world.start(two);
    const { mirrors } = world.engine;
    for (const name of ['monday', 'tuesday']) await world.service.snapshot('db', name);
    expect(await states()).toEqual(['monday degraded', 'tuesday degraded']);
    expect(mirrors.carried).toEqual([]);
    const [a, b] = mirrors.head('db').record.members.map((member) => member.uuid);
    await secondInSync();
    await vi.waitFor(async () => expect(await states()).toEqual(['monday complete', 'tuesday complete']));
    const uuids = (await world.service.snapshots('db')).map((one) => one.uuid);
    expect(mirrors.carried).toEqual(uuids.map((one) => `${one} ${a} ${b}`));
    expect(mirrors.taken.get(b ?? '')).toEqual(new Set(uuids));
    expect(world.lines.join('')).toContain("snapshot 'tuesday' is carried to");
    // And nothing is left to be done.
    await secondInSync();
    await world.service.close();
    expect(mirrors.carried).toHaveLength(2);
  });

  it('are asked for of members that were away, and carried again to one that has lost them', async () => {
    await bothInSync();
    const { mirrors } = world.engine;
    for (const name of ['monday', 'tuesday']) await world.service.snapshot('db', name);
    await vi.waitFor(() => expect(mirrors.listed).toContain(uuid('b')));
    const [a] = mirrors.head('db').record.members.map((member) => member.uuid);
    const [monday, tuesday] = (await world.service.snapshots('db')).map((one) => one.uuid);
    // It keeps its name, and comes back with an old copy of its disk.
    mirrors.taken.set(uuid('b'), new Set([monday ?? '']));
    mirrors.holdsCarries = true;
    await secondInSync();
    await vi.waitFor(() => expect(mirrors.carried).toEqual([`${tuesday} ${a} ${uuid('b')}`]));
    expect(await holders()).toEqual([[a, uuid('b')], [a]]);
    expect(await states()).toEqual(['monday complete', 'tuesday degraded']);
    mirrors.holdsCarries = false;
    mirrors.endCarry('db');
    await vi.waitFor(async () => expect(await states()).toEqual(['monday complete', 'tuesday complete']));
    expect(world.lines.join('')).toContain("does not have snapshot 'tuesday' any more");
    await world.service.close();
  });

  it('stay those of a member that cannot say what it has', async () => {
    await bothInSync();
    const { mirrors } = world.engine;
    mirrors.mute.add(uuid('b'));
    await world.service.snapshot('db', 'monday');
    mirrors.taken.delete(uuid('b'));
    mirrors.listed.length = 0;
    await secondInSync();
    await vi.waitFor(() => expect(mirrors.listed).toContain(uuid('b')));
    await world.service.close();
    expect(await states()).toEqual(['monday complete']);
    expect(mirrors.carried).toEqual([]);
  });

  it('say why they are not carried, and are when they can be', { timeout: 15_000 }, async () => {
    await world.start(two);
    const { mirrors } = world.engine;
    await world.service.snapshot('db', 'monday');
    mirrors.carryTrouble = 'member x cannot store it: no space';
    await secondInSync();
    const troubles = async () => (await world.service.snapshots('db')).map((one) => one.troubles);
    await vi.waitFor(async () => expect(await troubles()).toEqual([[mirrors.carryTrouble]]));
    expect(await states()).toEqual(['monday degraded']);
    await vi.waitFor(() => expect(mirrors.carried.length).toBeGreaterThan(1), 10_000);
    mirrors.carryTrouble = undefined;
    await vi.waitFor(async () => expect(await states()).toEqual(['monday complete']), 10_000);
    expect(await troubles()).toEqual([undefined]);
    expect(world.lines.filter((line) => line.includes('is not carried to'))).toHaveLength(1);
    await world.service.close();
  });

  it('that are being carried are deleted of all who may have them', async () => {
    await world.start(two);
    const { mirrors } = world.engine;
    await world.service.snapshot('db', 'monday');
    mirrors.holdsCarries = true;
    await secondInSync();
    await vi.waitFor(async () =>
      expect((await world.service.snapshots('db'))[0]?.carry).toMatchObject({ to: uuid('b') }),
    );
    memberStates('in_sync', 'down');
    await expect(world.service.deleteSnapshot('db', 'monday')).rejects.toThrow('not reachable now');
    expect(mirrors.head('db').carry?.state).toBe('cancelled');
    expect(await holders()).toEqual([[uuid('b')]]);
    memberStates('in_sync', 'in_sync');
    await world.service.deleteSnapshot('db', 'monday');
    expect(await states()).toEqual([]);
    expect(mirrors.carried).toHaveLength(1);
    await world.service.close();
  });

  it('are gone on with by the next daemon', async () => {
    await world.start(two);
    await world.service.snapshot('db', 'monday');
    world.engine.mirrors.holdsCarries = true;
    await secondInSync();
    await vi.waitFor(() => expect(world.engine.mirrors.carried).toHaveLength(1));
    const { taken } = world.engine.mirrors;
    await world.service.close();
    expect(world.engine.mirrors.head('db').carry?.state).toBe('cancelled');
    await world.start(two);
    for (const [member, uuids] of taken) world.engine.mirrors.taken.set(member, uuids);
    await secondInSync();
    await vi.waitFor(async () => expect(await states()).toEqual(['monday complete']));
  });

  it('whose record is damaged are refused', async () => {
    await world.start(two);
    await world.store.commit(
      [],
      [{ type: 'put', key: 'mirror-snapshots/db/monday', value: Buffer.from('{"version":1}') }],
    );
    await expect(world.service.snapshots('db')).rejects.toThrow('its record of a snapshot is damaged');
  });
});
