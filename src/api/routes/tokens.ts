// /v1/tokens: who else may use the API. For admins. The answer to POST is the only one that ever has a token.
import { Type } from '@sinclair/typebox';
import { roles } from '../../auth/roles.js';
import { tokenNamePattern } from '../../auth/token.js';
import type { TokenRegistry } from '../../auth/token-registry.js';
import type { RouteModule } from '../app-types.js';
import { ref } from '../schemas.js';

const Role = Type.Unsafe<(typeof roles)[number]>({ type: 'string', enum: roles });
const info = { name: Type.String(), role: Role, created: Type.String({ format: 'date-time' }) };
const Token = Type.Object(info, { $id: 'Token' });
const NewToken = Type.Object(
  { ...info, token: Type.String({ description: 'Told here and never again.' }) },
  { $id: 'NewToken' },
);
const Wanted = Type.Object(
  { name: Type.String({ pattern: tokenNamePattern }), role: Role },
  { additionalProperties: false },
);
const Name = Type.Object({ name: Type.String() });

export function tokenRoutes(tokens: Pick<TokenRegistry, 'create' | 'list' | 'revoke'>): RouteModule {
  const config = { access: 'admin' } as const;
  return (app) => {
    app.addSchema(Token);
    app.addSchema(NewToken);
    app.get(
      '/v1/tokens',
      {
        config,
        schema: {
          summary: 'The tokens beside that of the state directory',
          response: { 200: Type.Object({ tokens: Type.Array(ref(Token)) }) },
        },
      },
      async () => ({ tokens: [...(await tokens.list())] }),
    );
    app.post(
      '/v1/tokens',
      { config, schema: { summary: 'Makes a token', body: Wanted, response: { 201: ref(NewToken) } } },
      async ({ body: { name, role } }, reply) => reply.code(201).send(await tokens.create(name, role)),
    );
    app.delete(
      '/v1/tokens/:name',
      {
        config,
        schema: {
          summary: 'Revokes a token, at once',
          params: Name,
          response: { 204: Type.Null({ description: 'It is gone' }) },
        },
      },
      async ({ params: { name } }, reply) => {
        await tokens.revoke(name);
        return reply.code(204).send(null);
      },
    );
  };
}
