// `ballast csi --mode all` as a process, by its socket, before a daemon that serves: that it comes, answers
// and goes, that what it changes is what hosts and metrics see, and what Prometheus reads of it.
import { spawnSync } from 'node:child_process';
import { lstat, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../src/native/index.js';
import { callApi } from '../support/api-client.js';
import { projectTop, type Target, Workspace } from '../support/ballast.js';
import { CsiClient, mountWriter } from '../support/csi-client.js';
import { readExposition } from '../support/exposition-format.js';

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
if (!hasPromtool)
  console.log('SKIPPED: promtool on what is scraped: it is not installed (package prometheus)');

const host = {
  hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555',
  hostId: '11111111-2222-4333-8444-555555555555',
};

let workspace: Workspace;
let daemon: Target;
let csi: CsiClient;
const socket = () => workspace.path('csi.sock');
const api = (path: string) => callApi(`unix:${workspace.path('state/api.sock')}`, path);

beforeEach(async () => {
  workspace = await Workspace.create();
  csi = new CsiClient(socket());
  daemon = await startDaemon();
});
afterEach(async () => {
  csi.close();
  await workspace.remove();
});

async function startDaemon(): Promise<Target> {
  const pool = ['--ensure-pool', `p=${workspace.path('disk')}:1GiB`];
  const started = await workspace.serve(...pool, '--metrics-listen', '127.0.0.1:0');
  await started.api;
  return started;
}

/** Not waited for. */
function launchDriver(...argv: string[]): Promise<Target> {
  const places = ['--kubelet-dir', workspace.path('kubelet'), '--attach-dir', workspace.path('attach')];
  const options = ['--mode', 'all', '--endpoint', `unix://${socket()}`, '--driver', 'fuse', ...places];
  return workspace.start(`${projectTop}/bin/ballast`, ['csi', ...options, ...argv]);
}

async function startDriver(...argv: string[]): Promise<Target> {
  const driver = await launchDriver(...argv);
  await driver.ready;
  return driver;
}

const create = (name: string, more: object = {}) =>
  csi.call('Controller', 'CreateVolume', {
    name,
    volumeCapabilities: [mountWriter],
    capacityRange: { requiredBytes: '16777216' },
    ...more,
  });
const modify = (volumeId: string, mutableParameters: object) =>
  csi.call('Controller', 'ControllerModifyVolume', { volumeId, mutableParameters });

async function scrape(url: string | undefined): Promise<string> {
  const answer = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    request(url ?? '', { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    })
      .on('error', reject)
      .end();
  });
  expect(answer.status).toBe(200);
  if (hasPromtool) {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: answer.text,
      encoding: 'utf8',
    });
    expect([status, `${stdout}${stderr}`]).toEqual([0, '']);
  }
  return answer.text;
}

/** The one sample of that name with these labels. */
function sampleOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const found = [...readExposition(text).values()]
    .flatMap(({ samples }) => samples)
    .filter((one) => one.name === name)
    .filter((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value));
  expect(found.length, `samples of ${name}`).toBe(1);
  return found[0]?.value ?? Number.NaN;
}

const daemonMetrics = () => scrape(/(http:\S+\/metrics)$/m.exec(daemon.stdout)?.[1]);

describe('ballast csi', () => {
  it('says what it is, and whether its daemon answers', async () => {
    const driver = await startDriver();
    const { version } = JSON.parse(await readFile(`${projectTop}/package.json`, 'utf8'));
    expect(await csi.call('Identity', 'GetPluginInfo')).toMatchObject({
      name: 'csi.ballast.dev',
      vendorVersion: version,
    });
    const probe = async () => (await csi.call('Identity', 'Probe')).ready;
    expect(await probe()).toEqual({ value: true });
    await daemon.stop();
    expect(await probe()).toEqual({ value: false });
    daemon = await startDaemon();
    expect(await probe()).toEqual({ value: true });
    expect((await csi.call('Node', 'NodeGetInfo')).nodeId).toMatch(/^nqn\./);
    expect(await driver.stop()).toBe(0);
  });

  it('makes a volume, changes its limits under the I/O of a host, and deletes it (K21)', async () => {
    await startDriver();
    const { volume } = await create('v', { mutableParameters: { iops: '1000' } });
    const { volumeId } = volume;
    const shown = async () => (await api(`/v1/volumes/${volumeId}`)).body;
    const { name, nqn, qos } = await shown();
    expect(qos).toEqual({ iops: 1000 });
    const engine = await Engine.start({ onLog: () => undefined });
    const published = { volumeId, nodeId: host.hostNqn, volumeCapability: mountWriter };
    await csi.call('Controller', 'ControllerPublishVolume', published);
    const controller = await engine.connect({ host: '127.0.0.1', port: daemon.port, nqn, ...host });
    const perf = controller.perf({ rw: 'randread', blockSizeBytes: 4096, queueDepth: 16, seconds: 3 });
    expect(await modify(volumeId, { iops: '50' })).toEqual({});
    expect((await shown()).qos).toEqual({ iops: 50 });
    await expect
      .poll(async () => (await shown()).qosCounters.throttledIos, { timeout: 30_000 })
      .toBeGreaterThan(20);
    expect(await modify(volumeId, { iops: '50', minIops: '1' })).toBe('RESOURCE_EXHAUSTED');
    expect(await modify(volumeId, { colour: 'red' })).toBe('INVALID_ARGUMENT');
    expect((await shown()).qos).toEqual({ iops: 50 });
    expect(await modify(volumeId, { iops: '1000000000' })).toEqual({});
    expect(await perf).toMatchObject({ errors: 0 });
    await engine.close();
    const labels = { volume: name };
    const metrics = await daemonMetrics();
    const { qosCounters, counters } = await shown();
    expect(sampleOf(metrics, 'ballast_volume_qos_limit_iops', { ...labels, op: 'all' })).toBe(1e9);
    expect(sampleOf(metrics, 'ballast_volume_throttled_ios_total', labels)).toBe(qosCounters.throttledIos);
    expect(sampleOf(metrics, 'ballast_volume_throttled_waiting', labels)).toBe(0);
    expect(sampleOf(metrics, 'ballast_volume_reads_completed_total', labels)).toBe(counters.reads);
    await csi.call('Controller', 'ControllerUnpublishVolume', { volumeId, nodeId: host.hostNqn });
    for (const _ of [1, 2]) expect(await csi.call('Controller', 'DeleteVolume', { volumeId })).toEqual({});
    expect((await api(`/v1/volumes/${volumeId}`)).status).toBe(404);
    expect(await modify(volumeId, { iops: '1' })).toBe('NOT_FOUND');
    expect(await daemonMetrics()).not.toContain(`volume="${name}"`);
  });

  it('at SIGTERM answers what it has taken, and leaves no socket', async () => {
    const driver = await startDriver();
    await create('first');
    const names = Array.from({ length: 20 }, (_, index) => `v${index}`);
    const answers = names.map((name) => create(name));
    await answers[0];
    driver.signal('SIGTERM');
    expect((await driver.exited).code).toBe(0);
    const ids = (await Promise.all(answers)).map((answer) => answer.volume?.volumeId ?? answer);
    const made = ids.filter((id) => id !== 'UNAVAILABLE');
    expect(made.length).toBeGreaterThan(0);
    const { volumes } = (await api('/v1/volumes')).body;
    const uuids = volumes.map(({ uuid }: { uuid: string }) => uuid);
    expect(uuids).toEqual(expect.arrayContaining(made));
    await expect(lstat(socket())).rejects.toMatchObject({ code: 'ENOENT' });
    // What was cut off is finished by the same call to the next process.
    await startDriver();
    for (const [index, name] of names.entries()) {
      const { volume } = await create(name);
      if (ids[index] !== 'UNAVAILABLE') expect(volume.volumeId).toBe(ids[index]);
    }
    expect((await csi.call('Controller', 'ListVolumes')).entries).toHaveLength(1 + names.length);
  });
});

describe('the socket of ballast csi', () => {
  it('is 0600, and replaced where a process that was killed has left it', async () => {
    const driver = await startDriver();
    expect((await lstat(socket())).mode & 0o777).toBe(0o600);
    await driver.kill();
    expect((await lstat(socket())).isSocket()).toBe(true);
    await startDriver();
    expect((await csi.call('Identity', 'Probe')).ready).toEqual({ value: true });
  });

  it('is left to who answers on it, and what is no socket is left as it is', async () => {
    const driver = await startDriver();
    const second = await launchDriver();
    expect((await second.exited).code).toBe(1);
    expect(second.stderr).toMatch(/csi\.sock: another process listens/);
    expect((await csi.call('Identity', 'Probe')).ready).toEqual({ value: true });
    expect(await driver.stop()).toBe(0);
    await writeFile(socket(), 'precious');
    const third = await launchDriver();
    expect((await third.exited).code).toBe(1);
    expect(third.stderr).toContain('a file of this name');
    expect(await readFile(socket(), 'utf8')).toBe('precious');
  });
});

describe('--metrics-listen', () => {
  it('is scraped of the driver, without a token, until it ends', async () => {
    const driver = await startDriver('--metrics-listen', '127.0.0.1:0');
    const url = /^metrics (http:\S+)$/m.exec(driver.stdout)?.[1];
    const text = await scrape(url);
    expect(sampleOf(text, 'ballast_build_info', { component: 'csi' })).toBe(1);
    expect(sampleOf(text, 'process_start_time_seconds')).toBeGreaterThan(Date.now() / 1000 - 600);
    expect(sampleOf(await scrape(url), 'process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(await driver.stop()).toBe(0);
    await expect(scrape(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('is scraped of the daemon: pools, volumes, itself', async () => {
    await startDriver();
    await create('v');
    const text = await daemonMetrics();
    expect(sampleOf(text, 'ballast_build_info', { component: 'daemon' })).toBe(1);
    expect(sampleOf(text, 'ballast_pool_open', { pool: 'p' })).toBe(1);
    expect(sampleOf(text, 'ballast_pool_volumes', { pool: 'p' })).toBe(1);
    expect(sampleOf(text, 'ballast_volume_size_bytes')).toBe(16 << 20);
  });

  it('that is taken ends the driver before it has a socket', async () => {
    const address = /(http:\S+)\/metrics$/m.exec(daemon.stdout)?.[1]?.replace('http://', '') ?? '';
    const driver = await launchDriver('--metrics-listen', address);
    expect((await driver.exited).code).toBe(1);
    expect(driver.stderr).toContain(address);
    await expect(lstat(socket())).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
