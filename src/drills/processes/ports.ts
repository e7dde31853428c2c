// Ports of 127.0.0.1 for the processes of a drill, which have to keep theirs over restarts and know those of
// others beforehand.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** That are free now, all different. Who uses them has to be quick: nothing keeps them free. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
