// /v1/volumes/NAME/hosts: which hosts may use a volume of a pool, and which do. By operators.
import { type Static, Type } from '@sinclair/typebox';
import { InvalidArgumentError } from '../../base/errors.js';
import type { Hosts } from '../../pools/hosts.js';
import type { VolumeView } from '../../pools/types.js';
import type { RouteModule } from '../app-types.js';
import { Name, ref } from '../schemas.js';
import type { DataPlane } from '../sources.js';
import { HostGrant, Volume, volumeBody } from '../volume-schemas.js';

export type HostsSource = Pick<Hosts, 'list' | 'grant' | 'revoke'>;

const viewer = { access: 'viewer' } as const;
const operator = { access: 'operator' } as const;
const Both = Type.Object({
  name: Type.String(),
  hostnqn: Type.String({ description: 'The NQN of the host, percent-encoded.' }),
});
const Grant = Type.Object(
  {
    exclusive: Type.Optional(Type.Boolean({ description: 'While it has the volume, nobody else does.' })),
    readOnly: Type.Optional(
      Type.Boolean({ description: 'Only false: a volume is read-only for all hosts or for none.' }),
    ),
  },
  { additionalProperties: false },
);
const HostList = Type.Object({
  granted: Type.Optional(
    Type.Array(HostGrant, { description: 'Absent: any host may use it. Empty: none may.' }),
  ),
  connected: Type.Array(Type.String(), {
    description: 'NQNs of the hosts that use it, or whose last I/O is still finishing.',
  }),
});

export type HostsBody = Static<typeof HostList>;

export function hostRoutes(dataPlane: Pick<DataPlane, 'volumeCounters'>, hosts: HostsSource): RouteModule {
  const body = (view: VolumeView) => volumeBody(view, dataPlane.volumeCounters(view.info.name));
  return (app) => {
    app.get(
      '/v1/volumes/:name/hosts',
      {
        config: viewer,
        schema: { summary: 'Who may use a volume, and who does', params: Name, response: { 200: HostList } },
      },
      async ({ params }) => {
        const { granted, connected } = await hosts.list(params.name);
        return { connected: [...connected], ...(granted !== undefined && { granted: [...granted] }) };
      },
    );
    app.put(
      '/v1/volumes/:name/hosts/:hostnqn',
      {
        config: operator,
        schema: {
          summary: 'Lets a host use a volume; the first one closes it to all others',
          params: Both,
          body: Grant,
          response: { 200: ref(Volume) },
        },
      },
      async ({ params, body: { exclusive = false, readOnly = false } }) => {
        if (readOnly) {
          const expected = 'false: a volume is read-only for all hosts or for none; mount it read-only there';
          throw new InvalidArgumentError('readOnly', expected);
        }
        return body(await hosts.grant(params.name, params.hostnqn, { exclusive }));
      },
    );
    app.delete(
      '/v1/volumes/:name/hosts/:hostnqn',
      {
        config: operator,
        schema: {
          summary: 'Takes a volume from a host; answers when none of its I/O can take effect any more',
          params: Both,
          response: { 200: ref(Volume) },
        },
      },
      async ({ params }) => body(await hosts.revoke(params.name, params.hostnqn)),
    );
  };
}
