// In which zone this machine is, by what the storage cluster says of it: it is one of its nodes, by the NQN
// of its host, or by its name. Asked again with each NodeGetInfo, as the registrar does when it starts.
import { RpcError } from '../../rpc/status.js';
import type { Storage } from '../storage.js';
import type { Segments } from '../topology.js';

export interface ThisMachine {
  readonly hostNqn: string;
  readonly hostName: string;
}

/** Fails where the cluster does not say: a pod that is told nothing would be kept from every volume. */
export async function zoneOfMachine(
  storage: Pick<Storage, 'storageNodes'>,
  { hostNqn, hostName }: ThisMachine,
  key: string,
): Promise<Segments> {
  const nodes = (await storage.storageNodes()).filter(({ state }) => state !== 'decommissioned');
  const found = nodes.find((node) => node.hostNqn === hostNqn) ?? nodes.find(({ name }) => name === hostName);
  if (found?.zone !== undefined) return { [key]: found.zone };
  const why = found === undefined ? `no node of the storage cluster is '${hostName}'` : 'it has no zone';
  throw new RpcError('FAILED_PRECONDITION', `${why}; say where this is by --topology ${key}=ZONE`);
}
