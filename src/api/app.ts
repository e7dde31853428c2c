// The REST server without its doors: checks who asks, checks what is asked by the routes' schemas, turns
// errors into answers, describes itself. Made by src/main, which opens the doors; every route of every
// module passes the hooks here, and one that does not say who may use it is refused when it is added.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import swagger from '@fastify/swagger';
import {
  type FastifyBaseLogger,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
  type RouteOptions,
} from 'fastify';
import type { Authenticator } from '../auth/authenticator.js';
import { allows, type Principal } from '../auth/roles.js';
import { ForbiddenError, RouteNotFoundError } from '../base/control-errors.js';
import type { Log } from '../base/log.js';
import type { ApiApp, RouteModule } from './app-types.js';
import { answerTo, domainErrorOf } from './error-body.js';
import { ErrorBody, ref } from './schemas.js';

export const bodyBytesMax = 64 * 1024;

export interface AppOptions {
  readonly log: Log;
  readonly version: string;
  readonly authenticator: Pick<Authenticator, 'authenticate'>;
  readonly modules: readonly RouteModule[];
  /** Came through a door that only the daemon's own user can open. */
  readonly isTrusted?: (request: IncomingMessage) => boolean;
}

const socketPrincipal: Principal = { name: 'unix-socket', role: 'admin' };

/** Ready to take requests: by inject(), or by routing() from a server. */
export async function createApp(options: AppOptions): Promise<ApiApp> {
  const loggerInstance: FastifyBaseLogger = options.log.child({ room: 'api' });
  const app: ApiApp = fastify({
    loggerInstance,
    // logResponse() does it, without query and headers.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: bodyBytesMax,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    // A host NQN has up to 223 bytes, each of them percent-encoded at worst.
    routerOptions: { maxParamLength: 1024 },
    ajv: {
      customOptions: {
        removeAdditional: false,
        coerceTypes: false,
        useDefaults: true,
        allowUnionTypes: true,
      },
    },
    frameworkErrors: (error, request, reply) => answerError(error, request, reply),
  });
  // The schemas of answers are documentation, and types of the handlers: JSON.stringify cuts nothing off.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => {
    answerError(new RouteNotFoundError(request.method, pathOf(request)), request, reply);
  });
  app.decorateRequest('principal', null);
  app.addHook('onRoute', checkRoute);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-request-id': request.id, 'cache-control': 'no-store' });
    await authorize(request, options);
  });
  // Where nothing must be said, nothing needs to be sent; where something must, it says which field is
  // missing.
  app.addHook('preValidation', async (request) => {
    if (request.body === undefined && request.routeOptions.schema?.body !== undefined) request.body = {};
  });
  app.addHook('onResponse', async (request, reply) => logResponse(request, reply));
  app.addSchema(ErrorBody);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Ballast', version: options.version, description },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    refResolver: {
      buildLocalReference: (schema, _base, _fragment, index) => String(schema.$id ?? `def${index}`),
    },
  });
  for (const addRoutes of [...options.modules, addDocument]) addRoutes(app);
  await app.ready();
  return app;
}

const description =
  'Sizes and counters are whole numbers, as decimal strings above 2^53 - 1. Every error has one form. ' +
  'Roles: a viewer reads, an operator changes volumes and snapshots, an admin also manages pools, keys ' +
  'and tokens.';

function addDocument(app: ApiApp): void {
  let text: string | undefined;
  const schema = {
    summary: 'This document',
    response: { 200: { type: 'object', additionalProperties: true } },
  };
  app.get('/v1/openapi.json', { config: { access: 'everybody' }, schema }, async (_request, reply) => {
    text ??= JSON.stringify(app.swagger());
    return reply.type('application/json').send(text);
  });
}

function checkRoute(route: RouteOptions): void {
  const access = route.config?.access;
  if (access === undefined) throw new Error(`${route.method} ${route.url} does not say who may use it`);
  const needs = access === 'everybody' ? 'Needs no token.' : `Needs the role ${access}.`;
  const response = route.schema?.response as object | undefined;
  route.schema = {
    ...route.schema,
    description: [route.schema?.description, needs].filter(Boolean).join(' '),
    response: { ...response, default: { description: 'What went wrong', ...ref(ErrorBody) } },
    ...(access === 'everybody' && { security: [] }),
  };
}

async function authorize(request: FastifyRequest, { authenticator, isTrusted }: AppOptions): Promise<void> {
  if (request.is404) return;
  const access = request.routeOptions.config.access ?? 'admin';
  if (access === 'everybody') return;
  const { authorization } = request.headers;
  // A token that is sent counts also where none is needed: whoever sends a weak one wants to be held to it.
  const principal =
    authorization === undefined && isTrusted?.(request.raw) === true
      ? socketPrincipal
      : await authenticator.authenticate(authorization, request.ip ?? 'unix');
  if (!allows(principal.role, access)) throw new ForbiddenError(principal.role, access);
  request.principal = principal;
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = domainErrorOf(error, request.id, bodyBytesMax);
  const { status, headers, body } = answerTo(known);
  if (status >= 500) request.log.error({ requestId: request.id, err: known.cause ?? known }, known.message);
  reply.code(status).headers(headers).type('application/json').send(JSON.stringify(body));
}

// Changes are told, looking is not.
function logResponse(request: FastifyRequest, reply: FastifyReply): void {
  const looks = request.method === 'GET' || request.method === 'HEAD' || reply.statusCode >= 400;
  request.log[looks ? 'debug' : 'info'](
    {
      requestId: request.id,
      method: request.method,
      path: request.is404 ? '(unknown)' : pathOf(request),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      who: request.principal?.name ?? '-',
    },
    'request',
  );
}

function pathOf(request: FastifyRequest): string {
  return request.url.replace(/\?.*$/s, '');
}
