// /v1/cluster/join-tokens: with what nodes may join. For admins: whoever joins may read and write all that
// the cluster remembers. The answer to POST is the only one that ever has a token.
import { type Static, Type } from '@sinclair/typebox';
import type { JoinTokens } from '../../trust/join-tokens.js';
import type { RouteModule } from '../app-types.js';
import { ref } from '../schemas.js';

const time = Type.String({ format: 'date-time' });
const info = {
  id: Type.String(),
  created: time,
  expires: time,
  uses: Type.Integer({ description: 'How many nodes joined with it' }),
  usesMax: Type.Integer(),
};
const JoinToken = Type.Object(info, { $id: 'JoinToken' });
const NewJoinToken = Type.Object(
  { ...info, token: Type.String({ description: 'Told here and never again.' }) },
  { $id: 'NewJoinToken' },
);
const Wanted = Type.Object(
  {
    ttlSeconds: Type.Optional(Type.Integer({ description: 'From a minute to 30 days; a day unless said' })),
    usesMax: Type.Optional(Type.Integer({ description: 'For how many nodes, up to 1000; one unless said' })),
  },
  { additionalProperties: false },
);

export type JoinTokenBody = Static<typeof JoinToken>;
export type NewJoinTokenBody = Static<typeof NewJoinToken>;
export type WantedJoinTokenBody = Static<typeof Wanted>;

export function joinTokenRoutes(tokens: Pick<JoinTokens, 'create' | 'list' | 'revoke'>): RouteModule {
  const config = { access: 'admin' } as const;
  return (app) => {
    app.addSchema(JoinToken);
    app.addSchema(NewJoinToken);
    app.get(
      '/v1/cluster/join-tokens',
      {
        config,
        schema: {
          summary: 'The tokens with which nodes may join',
          response: { 200: Type.Object({ tokens: Type.Array(ref(JoinToken)) }) },
        },
      },
      async () => ({ tokens: [...(await tokens.list())] }),
    );
    app.post(
      '/v1/cluster/join-tokens',
      {
        config,
        schema: { summary: 'Makes a join token', body: Wanted, response: { 201: ref(NewJoinToken) } },
      },
      async ({ body }, reply) => reply.code(201).send(await tokens.create(body)),
    );
    app.delete(
      '/v1/cluster/join-tokens/:id',
      {
        config,
        schema: {
          summary: 'Revokes a join token, at once; nodes that joined with it stay',
          params: Type.Object({ id: Type.String() }),
          response: { 204: Type.Null({ description: 'It is gone' }) },
        },
      },
      async ({ params: { id } }, reply) => {
        await tokens.revoke(id);
        return reply.code(204).send(null);
      },
    );
  };
}
