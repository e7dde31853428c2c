// GET /metrics: what Prometheus reads, by viewers. Not under /v1/: that is where Prometheus looks.
import { Readable } from 'node:stream';
import { Type } from '@sinclair/typebox';
import type { RouteModule } from '../app-types.js';

export interface MetricsText {
  text(): AsyncIterable<string>;
}

const textType = 'text/plain; version=0.0.4; charset=utf-8';

export function metricsRoutes(metrics: MetricsText): RouteModule {
  return (app) => {
    app.get(
      '/metrics',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Metrics in the text format of Prometheus',
          response: { 200: Type.String({ description: textType }) },
        },
      },
      async (_request, reply) => reply.type(textType).send(Readable.from(metrics.text()) as never),
    );
  };
}
