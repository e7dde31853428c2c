// What a route module is written against. A module is a function that adds its routes to the app; pools,
// volumes and so on are further modules, which src/main puts in the list.
import type { Static, TSchema } from '@sinclair/typebox';
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyTypeProvider,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify';
import type { Principal, Role } from '../auth/roles.js';

/** Who may: everybody without a token, or those of a role and above. */
export type Access = 'everybody' | Role;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route without it is refused when it is added. */
    access?: Access;
  }
  interface FastifyRequest {
    /** Set before the handler where a role is needed. */
    principal: Principal | null;
  }
}

interface TypeBoxProvider extends FastifyTypeProvider {
  readonly validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  readonly serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

export type ApiApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxProvider
>;

export type RouteModule = (app: ApiApp) => void;
