// Limits and guarantees as the API takes and tells them. Bounds are checked by src/base/qos.ts, whose errors
// name the word.
import { type Static, Type } from '@sinclair/typebox';

const iops = (what: string) => Type.Optional(Type.Number({ description: `${what} a second; 0: no limit.` }));
const rate = (what: string) =>
  Type.Optional(Type.Number({ description: `MiB of ${what} a second; 0: no limit.` }));

export const qosFields = {
  iops: iops('I/Os'),
  readIops: iops('Reads'),
  writeIops: iops('Writes'),
  throughput: rate('data'),
  readThroughput: rate('reads'),
  writeThroughput: rate('writes'),
  burstSeconds: Type.Optional(
    Type.Number({ description: 'How long an idle volume saves up what it may use.' }),
  ),
  minIops: Type.Optional(Type.Number({ description: 'Guaranteed; needs a budget.' })),
  weight: Type.Optional(
    Type.Number({ description: 'Its part of what no guarantee takes, against others. Default: 100.' }),
  ),
};

export const Qos = Type.Object(
  {
    class: Type.Optional(
      Type.String({ description: 'Of a class, whose values hold where there is none here.' }),
    ),
    ...qosFields,
  },
  {
    additionalProperties: false,
    description: 'An I/O counts as one for each 16 KiB begun. What is absent or 0 is none.',
  },
);

export const QosCounters = Type.Object({
  throttledIos: Type.Integer({ description: 'I/Os that had to wait, for a limit or the budget.' }),
  throttledNs: Type.Integer({ description: 'How long, all together.' }),
  waitingIos: Type.Integer({ description: 'Now.' }),
  guaranteeSeconds: Type.Integer({ description: 'Seconds in which it waited for the budget.' }),
  guaranteeKeptSeconds: Type.Integer({
    description: 'Those in which it had its guarantee all the same.',
  }),
});
export type QosCountersBody = Static<typeof QosCounters>;

export const ClassQos = Type.Object(qosFields, { additionalProperties: false });
export const QosClass = Type.Object(
  { name: Type.String(), builtIn: Type.Boolean(), qos: ClassQos },
  { $id: 'QosClass' },
);
export type QosClassBody = Static<typeof QosClass>;

export const QosBudget = Type.Object(
  {
    iops: Type.Number({ description: 'What all volumes can have together, as their limits count. 0: none.' }),
    depth: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 65_536,
        description: 'I/Os in the devices at a time; 0 or absent: a millisecond of iops, at least 16.',
      }),
    ),
    force: Type.Optional(
      Type.Boolean({
        description:
          'Also below what is guaranteed: that stays, and is not kept until there is enough again.',
      }),
    ),
  },
  { additionalProperties: false },
);
export const QosBudgetView = Type.Object(
  {
    iops: Type.Number(),
    depth: Type.Optional(Type.Integer()),
    guaranteedIops: Type.Number({ description: 'Of all volumes together.' }),
  },
  { $id: 'QosBudget' },
);
export type QosBudgetBody = Static<typeof QosBudgetView>;
