// The REST server with real tokens and pools over a memory store, a fake data plane and a fake engine,
// without a door: by inject().
import type { IncomingMessage } from 'node:http';
import { pino } from 'pino';
import { createApp } from '../../src/api/app.js';
import type { ApiApp, RouteModule } from '../../src/api/app-types.js';
import {
  anaRoutes,
  healthRoutes,
  hostRoutes,
  joinTokenRoutes,
  keyRoutes,
  metricsRoutes,
  mirrorRoutes,
  nodeRoutes,
  podRoutes,
  poolRoutes,
  qosRoutes,
  snapshotRoutes,
  statsRoutes,
  tokenRoutes,
  volumeRoutes,
} from '../../src/api/routes/index.js';
import type { VolumeActivity } from '../../src/api/sources.js';
import { Authenticator } from '../../src/auth/authenticator.js';
import type { Role } from '../../src/auth/roles.js';
import { hashToken, makeToken } from '../../src/auth/token.js';
import { TokenRegistry } from '../../src/auth/token-registry.js';
import { MirrorNotFoundError } from '../../src/base/mirror-errors.js';
import { Metrics } from '../../src/metrics/metrics.js';
import type { MirrorSnapshotView, MirrorVerify, MirrorView } from '../../src/mirrors/types.js';
import { JoinTokens } from '../../src/trust/join-tokens.js';
import { fakeDataPlane } from './fake-data-plane.js';
import { fakeMetricsSource, fakeMirrorViews } from './fake-metrics.js';
import { PoolHarness } from './pool-harness.js';

const fakeMirrorSnapshot: MirrorSnapshotView = {
  ...{ name: 'monday', uuid: '99999999-2222-3333-4444-555555555555', state: 'degraded' },
  ...{ createdAt: 1_800_000_000, sizeBytes: 1n << 30n, members: ['m1', 'm2'] },
};

async function mirrorNamed(name: string): Promise<MirrorView> {
  const found = fakeMirrorViews.find((one) => one.name === name);
  if (found === undefined) throw new MirrorNotFoundError(name);
  return found;
}

export class ApiHarness {
  readonly world = new PoolHarness();
  /** How far its snapshot gets to who lacks it. */
  mirrorCarry: Pick<MirrorSnapshotView, 'carry' | 'troubles'> = {};
  readonly clock = this.world.clock;
  readonly store = this.world.store;
  readonly tokens = new TokenRegistry(this.store, this.clock);
  readonly joinTokens = new JoinTokens(this.store, Buffer.alloc(32, 7), this.clock);
  readonly admin = makeToken('admin');
  readonly lines: string[] = [];
  readonly log = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(line) });
  /** What was asked of mirrored volumes. */
  readonly memberChanges: (readonly string[])[] = [];
  /** What a comparison of members has found. */
  verify: MirrorVerify | undefined;
  failHealth: Error | undefined;
  trusted = false;
  /** What /v1/stats says that volumes did. */
  activity: readonly VolumeActivity[] = [];
  isTrusted: (request: IncomingMessage) => boolean = () => this.trusted;

  get authenticator(): Authenticator {
    const { tokens, log, clock } = this;
    return new Authenticator({ adminHash: hashToken(this.admin), tokens, log, clock });
  }

  async app(...more: RouteModule[]): Promise<ApiApp> {
    this.world.others = fakeDataPlane.volumes().map(({ name }) => ({ name }));
    const { pools, volumes, snapshots, hosts, pods, rotation, qos } = await this.world.start();
    const check = async () => {
      if (this.failHealth !== undefined) throw this.failHealth;
    };
    return createApp({
      log: this.log,
      version: '1.2.3',
      authenticator: this.authenticator,
      isTrusted: (request) => this.isTrusted(request),
      modules: [
        healthRoutes(check),
        nodeRoutes({
          dataPlane: fakeDataPlane,
          volumesCount: () => fakeDataPlane.volumes().length + volumes.list().length,
          version: '1.2.3',
          clock: this.clock,
          startedMs: -500,
        }),
        volumeRoutes(fakeDataPlane, volumes, hosts),
        hostRoutes(fakeDataPlane, hosts),
        anaRoutes(fakeDataPlane, volumes),
        podRoutes(pods),
        snapshotRoutes(snapshots),
        poolRoutes(pools),
        mirrorRoutes({
          list: async () => fakeMirrorViews,
          get: async (name) => ({
            ...(await mirrorNamed(name)),
            ...(this.verify !== undefined && { verify: this.verify }),
          }),
          addMember: async (name, member) => {
            this.memberChanges.push(['add', name, member]);
            return mirrorNamed(name);
          },
          removeMember: async (name, member) => {
            this.memberChanges.push(['remove', name, member]);
            return mirrorNamed(name);
          },
          resize: async (name, sizeBytes) => {
            this.memberChanges.push(['resize', name, `${sizeBytes}`]);
            return mirrorNamed(name);
          },
          setResyncRate: async (name, rate) => {
            this.memberChanges.push(['resync-rate', name, `${rate}`]);
            return {
              ...(await mirrorNamed(name)),
              ...(rate !== undefined && { resyncBytesPerSecond: rate }),
            };
          },
          snapshot: async (name, snapshot) => {
            this.memberChanges.push(['snapshot', name, snapshot]);
            return { ...fakeMirrorSnapshot, name: snapshot, heldMs: 2.5 };
          },
          snapshots: async (name) => {
            await mirrorNamed(name);
            return [{ ...fakeMirrorSnapshot, ...this.mirrorCarry }];
          },
          deleteSnapshot: async (name, snapshot) => {
            this.memberChanges.push(['snapshot-delete', name, snapshot]);
          },
          startVerify: async (name) => {
            this.memberChanges.push(['verify', name]);
            return {
              ...(await mirrorNamed(name)),
              ...(this.verify !== undefined && { verify: this.verify }),
            };
          },
          cancelVerify: async (name) => {
            this.memberChanges.push(['cancel', name]);
            return mirrorNamed(name);
          },
        }),
        qosRoutes(qos),
        keyRoutes(rotation),
        tokenRoutes(this.tokens),
        joinTokenRoutes(this.joinTokens),
        statsRoutes({
          source: {
            stats: () => ({ volume: (name) => this.activity.find((one) => one.name === name) }),
            volumes: () =>
              volumes.list().map(({ info: { name, uuid }, pool, state, settings: { pods = [] } }) => {
                return { name, uuid, kind: 'pool', pool, serving: state === 'serving', pods };
              }),
          },
          node: 'node-1',
          clock: this.clock,
        }),
        metricsRoutes({
          text: () => new Metrics({ source: fakeMetricsSource, node: 'node-1', version: '1' }).text(),
        }),
        ...more,
      ],
    });
  }

  async headers(role: Role): Promise<{ authorization: string }> {
    const token = role === 'admin' ? this.admin : (await this.tokens.create(`a-${role}`, role)).token;
    return { authorization: `Bearer ${token}` };
  }

  async close(): Promise<void> {
    await this.world.close();
  }
}
