// GET /v1/health: for probes and load balancers, so without a token and without a word about what is served.
import { Type } from '@sinclair/typebox';
import type { RouteModule } from '../app-types.js';

const Health = Type.Object({ status: Type.Literal('ok') });

/** `check` fails when the daemon cannot do its work; its error is the answer. */
export function healthRoutes(check: () => Promise<void>): RouteModule {
  return (app) => {
    app.get(
      '/v1/health',
      { config: { access: 'everybody' }, schema: { summary: 'Whether it works', response: { 200: Health } } },
      async () => {
        await check();
        return { status: 'ok' as const };
      },
    );
  };
}
