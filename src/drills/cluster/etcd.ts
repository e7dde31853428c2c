// The etcd of a drill's cluster: one member on loopback, the real one (Debian package etcd-server).
import { join } from 'node:path';
import type { SupervisedProcess } from '../processes/supervised-process.js';
import type { Supervisor } from '../processes/supervisor.js';
import { until } from '../until.js';

export interface EtcdPorts {
  readonly client: number;
  readonly peer: number;
  readonly metrics: number;
}

const readyMsMax = 20_000;

/** With what it had before in the directory. Resolves when it answers. */
export async function startEtcd(
  supervisor: Supervisor,
  directory: string,
  logDirectory: string,
  ports: EtcdPorts,
): Promise<SupervisedProcess> {
  const [client, peer, metrics] = [ports.client, ports.peer, ports.metrics].map(
    (port) => `http://127.0.0.1:${port}`,
  ) as [string, string, string];
  const etcd = supervisor.start({
    name: 'etcd',
    logFile: join(logDirectory, 'etcd.log'),
    command: [
      ...(['etcd', '--name', 'one', '--data-dir', directory] as const),
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `one=${peer}`, '--listen-metrics-urls', metrics],
      ...['--logger', 'zap', '--log-level', 'warn'],
    ],
  });
  const signal = AbortSignal.timeout(2 * readyMsMax);
  await until('etcd answers', { timeoutMs: readyMsMax, signal }, async () => {
    if (!etcd.isRunning) await etcd.ready(0); // says why
    const answer = await fetch(`${metrics}/health`).catch(() => undefined);
    return answer?.ok === true ? undefined : 'it does not';
  });
  return etcd;
}
