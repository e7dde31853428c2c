// `ballast node join`: the node's ID from its own store, which no daemon may have open meanwhile.

import { formatHost } from '../base/address.js';
import { makeStateDirectory, statePaths } from '../base/state-directory.js';
import type { JoinedNode, JoinWithTokenOptions } from '../cli/engine-port.js';
import { MirrorRecords } from '../mirrors/records.js';
import { openLevelStore } from '../store/level/level-store.js';
import { joinCluster } from '../trust/join.js';
import { parseJoinToken } from '../trust/join-token.js';

export async function joinWithToken(options: JoinWithTokenOptions): Promise<JoinedNode> {
  const { address, name, stateDirectory } = options;
  const token = parseJoinToken(options.token);
  const paths = statePaths(stateDirectory);
  await makeStateDirectory(paths.directory);
  const local = await openLevelStore(paths.store);
  try {
    const nodeId = await new MirrorRecords(local).node();
    const { controllers, validTo } = await joinCluster({ address, token, nodeId, name, stateDirectory });
    return {
      name,
      nodeId,
      controllers: controllers.map(({ host, port }) => `${formatHost(host)}:${port}`),
      validTo: validTo.toISOString(),
    };
  } finally {
    await local.close();
  }
}
