// /v1/mirrors: mirrored volumes and how their members are, for everybody who may look. Their volumes are
// among /v1/volumes, too.
import { Type } from '@sinclair/typebox';
import type { MirrorSnapshotView, MirrorView } from '../../mirrors/types.js';
import type { RouteModule } from '../app-types.js';
import {
  Mirror,
  MirrorChange,
  MirrorSnapshot,
  mirrorBody,
  mirrorSnapshotBody,
  NewMember,
  NewMirrorSnapshot,
} from '../mirror-schemas.js';
import { Name, ref } from '../schemas.js';

export interface MirrorsSource {
  list(): Promise<readonly MirrorView[]>;
  get(name: string): Promise<MirrorView>;
  addMember(name: string, member: string): Promise<MirrorView>;
  removeMember(name: string, member: string): Promise<MirrorView>;
  resize(name: string, sizeBytes: bigint): Promise<MirrorView>;
  setResyncRate(name: string, bytesPerSecond: bigint | undefined): Promise<MirrorView>;
  snapshot(name: string, snapshot: string): Promise<MirrorSnapshotView>;
  snapshots(name: string): Promise<readonly MirrorSnapshotView[]>;
  deleteSnapshot(name: string, snapshot: string): Promise<void>;
  startVerify(name: string): Promise<MirrorView>;
  cancelVerify(name: string): Promise<MirrorView>;
}

const viewer = { access: 'viewer' } as const;
const operator = { access: 'operator' } as const;
const Both = Type.Object({ name: Type.String(), member: Type.String() });
const OfSnapshot = Type.Object({ name: Type.String(), snapshot: Type.String() });

export function mirrorRoutes(mirrors: MirrorsSource): RouteModule {
  return (app) => {
    app.addSchema(MirrorSnapshot);
    app.addSchema(Mirror);
    app.get(
      '/v1/mirrors',
      {
        config: viewer,
        schema: {
          summary: 'The mirrored volumes',
          response: { 200: Type.Object({ mirrors: Type.Array(ref(Mirror)) }) },
        },
      },
      async () => ({ mirrors: (await mirrors.list()).map(mirrorBody) }),
    );
    app.get(
      '/v1/mirrors/:name',
      {
        config: viewer,
        schema: { summary: 'One mirrored volume', params: Name, response: { 200: ref(Mirror) } },
      },
      async ({ params }) => mirrorBody(await mirrors.get(params.name)),
    );
    app.patch(
      '/v1/mirrors/:name',
      {
        config: operator,
        schema: {
          summary:
            'Changes the rate of copies; makes it larger: all members in sync, then the volume; answers ' +
            'when hosts see it',
          params: Name,
          body: MirrorChange,
          response: { 200: ref(Mirror) },
        },
      },
      async ({ params: { name }, body: { sizeBytes, resyncBytesPerSecond: rate } }) => {
        let mirror: MirrorView | undefined;
        if (rate !== undefined) {
          mirror = await mirrors.setResyncRate(name, rate === null ? undefined : BigInt(rate));
        }
        if (sizeBytes !== undefined) mirror = await mirrors.resize(name, BigInt(sizeBytes));
        return mirrorBody(mirror ?? (await mirrors.get(name)));
      },
    );
    app.post(
      '/v1/mirrors/:name/members',
      {
        config: operator,
        schema: {
          summary: 'Adds a member, to which everything is copied; answers when it is one',
          params: Name,
          body: NewMember,
          response: { 201: ref(Mirror) },
        },
      },
      async ({ params, body }, reply) =>
        reply.code(201).send(mirrorBody(await mirrors.addMember(params.name, body.member))),
    );
    app.delete(
      '/v1/mirrors/:name/members/:member',
      {
        config: operator,
        schema: {
          summary: 'Removes a member, which has nothing from then on; by its UUID, address or name',
          params: Both,
          response: { 200: ref(Mirror) },
        },
      },
      async ({ params }) => mirrorBody(await mirrors.removeMember(params.name, params.member)),
    );
    app.get(
      '/v1/mirrors/:name/snapshots',
      {
        config: viewer,
        schema: {
          summary: 'Its snapshots, and which members have them',
          params: Name,
          response: { 200: Type.Object({ snapshots: Type.Array(ref(MirrorSnapshot)) }) },
        },
      },
      async ({ params }) => ({ snapshots: (await mirrors.snapshots(params.name)).map(mirrorSnapshotBody) }),
    );
    app.post(
      '/v1/mirrors/:name/snapshots',
      {
        config: operator,
        schema: {
          summary: 'Takes a snapshot of all members in sync, of one moment; writes wait meanwhile',
          params: Name,
          body: NewMirrorSnapshot,
          response: { 201: ref(MirrorSnapshot) },
        },
      },
      async ({ params, body }, reply) =>
        reply.code(201).send(mirrorSnapshotBody(await mirrors.snapshot(params.name, body.name))),
    );
    app.delete(
      '/v1/mirrors/:name/snapshots/:snapshot',
      {
        config: operator,
        schema: {
          summary: 'Deletes a snapshot of all members that can be reached; fails while one cannot',
          params: OfSnapshot,
          response: { 204: Type.Null() },
        },
      },
      async ({ params }, reply) => {
        await mirrors.deleteSnapshot(params.name, params.snapshot);
        return reply.code(204).send(null);
      },
    );
    app.post(
      '/v1/mirrors/:name/verify',
      {
        config: operator,
        schema: {
          summary: 'Begins to compare all members in sync; `verify` of the mirror says how far it is',
          params: Name,
          response: { 202: ref(Mirror) },
        },
      },
      async ({ params }, reply) => reply.code(202).send(mirrorBody(await mirrors.startVerify(params.name))),
    );
    app.delete(
      '/v1/mirrors/:name/verify',
      {
        config: operator,
        schema: {
          summary: 'Ends a comparison of members that is under way',
          params: Name,
          response: { 200: ref(Mirror) },
        },
      },
      async ({ params }) => mirrorBody(await mirrors.cancelVerify(params.name)),
    );
  };
}
