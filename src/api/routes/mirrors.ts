// /v1/mirrors: mirrored volumes and how their members are, for everybody who may look. Their volumes are
// among /v1/volumes, too.
import { Type } from '@sinclair/typebox';
import type { MirrorView } from '../../mirrors/types.js';
import type { RouteModule } from '../app-types.js';
import { Mirror, mirrorBody } from '../mirror-schemas.js';
import { Name, ref } from '../schemas.js';

export interface MirrorsSource {
  list(): Promise<readonly MirrorView[]>;
  get(name: string): Promise<MirrorView>;
}

const viewer = { access: 'viewer' } as const;

export function mirrorRoutes(mirrors: MirrorsSource): RouteModule {
  return (app) => {
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
  };
}
