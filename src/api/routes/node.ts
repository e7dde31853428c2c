// GET /v1/version and /v1/node: what runs here, since when, and what it costs.
import { hostname } from 'node:os';
import { Type } from '@sinclair/typebox';
import type { Clock } from '../../base/clock.js';
import type { RouteModule } from '../app-types.js';
import { Count, count, ref } from '../schemas.js';
import type { DataPlane } from '../sources.js';

const Version = Type.Object(
  { version: Type.String(), api: Type.Literal('v1'), runtime: Type.String({ description: 'Node.js' }) },
  { $id: 'Version' },
);

const Node = Type.Object(
  {
    name: Type.String({ description: 'The name of the machine.' }),
    version: Type.String(),
    processId: Type.Integer(),
    started: Type.String({ format: 'date-time' }),
    uptimeSeconds: Type.Number(),
    memory: Type.Object({
      residentBytes: Count,
      heapUsedBytes: Count,
      heapTotalBytes: Count,
      externalBytes: Count,
    }),
    listeners: Type.Array(
      Type.Object({ transport: Type.Literal('tcp'), host: Type.String(), port: Type.Integer() }),
    ),
    reactors: Type.Array(
      Type.Object({
        turns: Count,
        sleeps: Count,
        messages: Count,
        busyNs: Count,
        connections: Count,
      }),
    ),
    transport: Type.Object({
      connections: Count,
      connectionsTotal: Count,
      bytesReceived: Count,
      bytesSent: Count,
    }),
    controllers: Type.Integer({ description: 'Controllers of hosts that are connected.' }),
    volumes: Type.Integer({ description: 'How many there are.' }),
  },
  { $id: 'Node' },
);

export interface NodeOptions {
  readonly dataPlane: DataPlane;
  /** Of pools and others, served or not. */
  readonly volumesCount: () => number;
  readonly version: string;
  readonly clock: Clock;
  /** When the daemon was started, by `clock.steadyMs()`. */
  readonly startedMs: number;
}

export function nodeRoutes({ dataPlane, volumesCount, version, clock, startedMs }: NodeOptions): RouteModule {
  const started = new Date(clock.date().getTime() - (clock.steadyMs() - startedMs)).toISOString();
  const config = { access: 'viewer' } as const;
  return (app) => {
    app.addSchema(Version);
    app.addSchema(Node);
    app.get(
      '/v1/version',
      { config, schema: { summary: 'What runs here', response: { 200: ref(Version) } } },
      async () => ({ version, api: 'v1' as const, runtime: process.version }),
    );
    app.get(
      '/v1/node',
      {
        config,
        schema: { summary: 'This daemon: reactors, listeners, memory', response: { 200: ref(Node) } },
      },
      async () => {
        const { reactors, transport, controllers } = dataPlane.counters();
        return {
          name: hostname(),
          version,
          processId: process.pid,
          started,
          uptimeSeconds: Math.round(clock.steadyMs() - startedMs) / 1000,
          memory: memory(),
          listeners: dataPlane
            .listeners()
            .map(({ host, port }) => ({ transport: 'tcp' as const, host, port })),
          reactors: reactors.map((one) => ({ ...one, busyNs: count(one.busyNs) })),
          transport: {
            connections: transport.connections,
            connectionsTotal: count(transport.connectionsTotal),
            bytesReceived: count(transport.bytesReceived),
            bytesSent: count(transport.bytesSent),
          },
          controllers,
          volumes: volumesCount(),
        };
      },
    );
  };
}

function memory() {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return { residentBytes: rss, heapUsedBytes: heapUsed, heapTotalBytes: heapTotal, externalBytes: external };
}
