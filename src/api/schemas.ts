// Schemas that several routes share. One with an $id is a component of the OpenAPI document, named by ref().
import { type Static, type TSchema, type TUnsafe, Type } from '@sinclair/typebox';
import { errorCatalogue } from '../base/errors.js';

/** What JSON.stringify must not round: a number up to 2^53 - 1, a decimal string above. */
export const Count = Type.Unsafe<number | string>({
  anyOf: [
    { type: 'integer', minimum: 0 },
    { type: 'string', pattern: '^[0-9]+$' },
  ],
  description: 'A whole number; as a decimal string where it is above 2^53 - 1.',
});

export function count(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

/** The same in a request. */
export const Bytes = Type.Unsafe<number | string>({
  type: ['integer', 'string'],
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  pattern: '^[0-9]{1,19}$',
  description: 'A whole number of bytes, or its decimal text.',
});

/** In a query. */
export const BytesText = Type.String({ pattern: '^[0-9]{1,19}$', description: 'A whole number of bytes.' });

export const Flag = Type.Unsafe<'true' | 'false'>({ type: 'string', enum: ['true', 'false'] });

export const Force = Type.Object(
  {
    force: Type.Optional(Type.Boolean({ description: 'Also where that interrupts or leaves out somebody.' })),
  },
  { additionalProperties: false },
);

export const Name = Type.Object({ name: Type.String() });

/** Of seconds since 1970. */
export function date(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

export const ErrorBody = Type.Object(
  {
    code: Type.String({ enum: Object.keys(errorCatalogue) }),
    message: Type.String({ description: 'One line for a person.' }),
    details: Type.Record(Type.String(), Type.Unknown(), {
      description: 'The parts of the message that a program may want, such as the field that is wrong.',
    }),
  },
  { $id: 'Error' },
);

export function ref<T extends TSchema>(schema: T): TUnsafe<Static<T>> {
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id}#` });
}
