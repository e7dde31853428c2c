// A daemon as commands see it: the REST server with fake pools behind real doors, in a state directory of its
// own.

import type { ApiApp } from '../../src/api/app-types.js';
import { ApiDoors, formatHttp } from '../../src/api/doors.js';
import { ApiHarness } from './api-harness.js';
import { CliHarness } from './cli-harness.js';

export class DaemonHarness {
  readonly api = new ApiHarness();
  readonly world = this.api.world;
  readonly stateDirectory = this.world.directory;
  #doors = new ApiDoors();
  #app: ApiApp | undefined;
  url = '';

  async start(): Promise<void> {
    this.api.isTrusted = (request) => this.#doors.isTrusted(request);
    const app = await this.api.app();
    this.#app = app;
    await this.#doors.openSocket(`${this.stateDirectory}/api.sock`);
    this.url = formatHttp(await this.#doors.openTcp({ host: '127.0.0.1', port: 0 }));
    this.#doors.serve((request, response) => app.routing(request, response));
  }

  /** As a new process would find it. */
  async restart(): Promise<void> {
    await this.stop();
    this.#doors = new ApiDoors();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#doors.close();
    await this.#app?.close();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.api.close();
  }

  /** A command line of its own, with BALLAST_DATA of this daemon. */
  cli(environment: Record<string, string> = { BALLAST_DATA: this.stateDirectory }): CliHarness {
    const cli = new CliHarness();
    Object.assign(cli.environment, environment);
    return cli;
  }

  async run(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const cli = this.cli();
    const code = await cli.run(...argv);
    return { code, stdout: cli.stdout.text, stderr: cli.stderr.text };
  }

  /** What -o json prints of a command that must succeed. */
  // biome-ignore lint/suspicious/noExplicitAny: tests say what they expect of it
  async json(...argv: string[]): Promise<any> {
    const { code, stdout, stderr } = await this.run(...argv, '-o', 'json');
    if (code !== 0) throw new Error(`exit code ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }
}
