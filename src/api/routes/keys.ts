// /v1/keys: which keys wrap those of encrypted volumes, and changing them. For admins. No key is ever told.
import { type Static, Type } from '@sinclair/typebox';
import type { Rotation } from '../../pools/rotation.js';
import type { RouteModule } from '../app-types.js';
import { ref } from '../schemas.js';

const Keys = Type.Object(
  {
    provider: Type.Unsafe<'file' | 'command'>({ type: 'string', enum: ['file', 'command'] }),
    name: Type.String(),
    rotating: Type.Boolean({ description: 'A rotation was begun and is not finished: rotate again.' }),
    keys: Type.Array(
      Type.Object({
        keyId: Type.String(),
        volumes: Type.Integer({ description: 'How many it is used for.' }),
      }),
    ),
  },
  { $id: 'Keys' },
);
export type KeysBody = Static<typeof Keys>;

const Rotated = Type.Object(
  {
    keyId: Type.String({ description: 'Of the new key.' }),
    rewrapped: Type.Integer({ description: 'How many keys of volumes it wraps now that it did not before.' }),
    left: Type.Array(
      Type.Object({ pool: Type.String(), volume: Type.Optional(Type.String()), reason: Type.String() }),
      { description: 'What could not be reached: rotate again when it can be.' },
    ),
    dropped: Type.Integer({ description: 'How many old keys were forgotten.' }),
  },
  { $id: 'Rotated' },
);
export type RotatedBody = Static<typeof Rotated>;

const Wanted = Type.Object(
  { dropOld: Type.Optional(Type.Boolean({ description: 'Afterwards forgets all keys but the new one.' })) },
  { additionalProperties: false },
);

export function keyRoutes(rotation: Pick<Rotation, 'use' | 'rotate'>): RouteModule {
  const config = { access: 'admin' } as const;
  return (app) => {
    app.addSchema(Keys);
    app.addSchema(Rotated);
    app.get(
      '/v1/keys',
      { config, schema: { summary: 'Which keys are used, without the keys', response: { 200: ref(Keys) } } },
      async () => {
        const { keys, ...rest } = await rotation.use();
        return { ...rest, keys: [...keys] };
      },
    );
    app.post(
      '/v1/keys/rotate',
      {
        config,
        schema: {
          summary: 'Wraps the keys of all volumes with a new key; goes on with a rotation that was begun',
          body: Wanted,
          response: { 200: ref(Rotated) },
        },
      },
      async ({ body: { dropOld = false } }) => {
        const { left, ...rest } = await rotation.rotate({ dropOld });
        return { ...rest, left: [...left] };
      },
    );
  };
}
