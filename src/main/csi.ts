// The CSI driver as a process: its services over the REST API of a daemon, and on a node what attaches and
// mounts.
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import type { CsiOptions, CsiPort } from '../cli/engine-port.js';
import { type CsiNodeOptions, newCsiServer } from '../csi/driver.js';
import { SystemMounter } from '../csi/mounter/system-mounter.js';
import { RestStorage } from '../csi/storage.js';
import type { MetricsListener } from '../metrics/listen.js';
import { parseUnixEndpoint } from '../rpc/unix-socket.js';

export async function startCsi(options: CsiOptions, version: string): Promise<CsiPort> {
  const { log, driverName, topology, zoneKey, targetAddresses } = options;
  const path = parseUnixEndpoint(options.endpoint);
  const shared = {
    targetAddresses,
    ...(topology && { topology }),
    ...(zoneKey !== undefined && { zoneKey }),
  };
  const server = newCsiServer(
    { storage: new RestStorage(options.daemon), log, version, driverName },
    {
      ...(options.controller && { controller: shared }),
      ...(options.node && { node: { ...shared, ...(await nodeOptions(options)) } }),
    },
  );
  const metrics = await listenForScrapes(options, version);
  try {
    await mkdir(dirname(path), { recursive: true });
    await server.listen(path);
  } catch (error) {
    await metrics?.close();
    throw error;
  }
  return {
    ...(metrics !== undefined && { metricsAddress: metrics.address }),
    close: async () => {
      await server.close();
      await metrics?.close();
    },
  };
}

async function listenForScrapes(
  { metricsListen, controller, node }: CsiOptions,
  version: string,
): Promise<MetricsListener | undefined> {
  if (metricsListen === undefined) return undefined;
  const { listenForMetrics } = await import('../metrics/listen.js');
  const { processRegistry } = await import('../metrics/process-metrics.js');
  const component = controller && node ? 'csi' : controller ? 'csi-controller' : 'csi-node';
  const registry = processRegistry(component, version);
  return listenForMetrics(metricsListen, async function* () {
    yield await registry.metrics();
  });
}

async function nodeOptions(options: CsiOptions): Promise<CsiNodeOptions> {
  const { log, host, driver, attachDirectory, kubeletDirectory, stateDirectory, volumesMax } = options;
  if (host === undefined) throw new Error('a node without an identity');
  const { createAttacher } = await import('./attachment.js');
  const attacher = await createAttacher({
    driver,
    ...(attachDirectory !== undefined && { stateDirectory: attachDirectory }),
  });
  const mounter = new SystemMounter(log);
  const { nodeName: hostName = hostname() } = options;
  return { attacher, mounter, kubeletDirectory, stateDirectory, host, volumesMax, hostName };
}
