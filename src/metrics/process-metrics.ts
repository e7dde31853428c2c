// What a process of ours takes: of the daemon and of the CSI driver alike. prom-client's own set is not used:
// promtool refuses it.
import { readdirSync } from 'node:fs';
import { Counter, Gauge, Registry } from 'prom-client';

/** `component`: "daemon", "csi-controller", "csi-node". Others may register theirs with it. */
export function processRegistry(component: string, version: string): Registry {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: 'ballast_build_info',
    help: 'What runs; always 1.',
    labelNames: ['version', 'component', 'runtime'],
    registers,
  }).set({ version, component, runtime: process.version }, 1);
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  gauge(registry, 'process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge(registry, 'process_open_fds', 'Open file descriptors.', () => readdirSync('/proc/self/fd').length);
  const started = Date.now() / 1000 - process.uptime();
  gauge(registry, 'process_start_time_seconds', 'Start of the process, Unix time.', () => started);
  gauge(registry, 'ballast_heap_used_bytes', 'JavaScript heap in use.', () => process.memoryUsage().heapUsed);
  return registry;
}

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}
