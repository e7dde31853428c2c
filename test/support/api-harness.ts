// The REST server with real tokens in a memory store and a fake data plane, without a door: by inject().
import { pino } from 'pino';
import { createApp } from '../../src/api/app.js';
import type { ApiApp, RouteModule } from '../../src/api/app-types.js';
import { healthRoutes } from '../../src/api/routes/health.js';
import { nodeRoutes } from '../../src/api/routes/node.js';
import { tokenRoutes } from '../../src/api/routes/tokens.js';
import { volumeRoutes } from '../../src/api/routes/volumes.js';
import { Authenticator } from '../../src/auth/authenticator.js';
import type { Role } from '../../src/auth/roles.js';
import { hashToken, makeToken } from '../../src/auth/token.js';
import { TokenRegistry } from '../../src/auth/token-registry.js';
import { openMemoryStore } from '../../src/store/memory/memory-store.js';
import { FakeClock } from './fake-clock.js';
import { fakeDataPlane } from './fake-data-plane.js';

export class ApiHarness {
  readonly clock = new FakeClock();
  readonly store = openMemoryStore(this.clock);
  readonly tokens = new TokenRegistry(this.store, this.clock);
  readonly admin = makeToken('admin');
  readonly lines: string[] = [];
  readonly log = pino({ level: 'debug' }, { write: (line: string) => void this.lines.push(line) });
  failHealth: Error | undefined;
  trusted = false;

  get authenticator(): Authenticator {
    const { tokens, log, clock } = this;
    return new Authenticator({ adminHash: hashToken(this.admin), tokens, log, clock });
  }

  app(...more: RouteModule[]): Promise<ApiApp> {
    const check = async () => {
      if (this.failHealth !== undefined) throw this.failHealth;
    };
    return createApp({
      log: this.log,
      version: '1.2.3',
      authenticator: this.authenticator,
      isTrusted: () => this.trusted,
      modules: [
        healthRoutes(check),
        nodeRoutes({ dataPlane: fakeDataPlane, version: '1.2.3', clock: this.clock, startedMs: -500 }),
        volumeRoutes(fakeDataPlane),
        tokenRoutes(this.tokens),
        ...more,
      ],
    });
  }

  async headers(role: Role): Promise<{ authorization: string }> {
    const token = role === 'admin' ? this.admin : (await this.tokens.create(`a-${role}`, role)).token;
    return { authorization: `Bearer ${token}` };
  }
}
