// Where the records of a cluster are in the store (decision 0010).

export const nodesPrefix = 'cluster/nodes/';
export const factsPrefix = 'cluster/facts/';
export const volumesPrefix = 'cluster/volumes/';
/** Apart from the others: who watches those is not told of each step of each replica. */
export const volumeFactsPrefix = 'volume-facts/';
/** Apart too: which hosts a head has lost, under the lease of its node. */
export const lostHostsPrefix = 'lost-hosts/';
/** Changed with each node that joins, so that two that do at once see each other. */
export const joinsKey = 'cluster/joins';
/** Which store this is, and how often controllers have opened it (src/cluster/lineage). */
export const lineageKey = 'cluster/lineage';
/** Who does not take this store for the cluster's, and why. */
export const refusalsPrefix = 'cluster/refusals/';
/** What nodes find on their disks: of each replica, and of the node when all of them are there. */
export const reportsPrefix = 'cluster/reports/';
/** While it is there nodes say what they find. */
export const inquiryKey = 'cluster/inquiry';
/** Who decides at the moment; under its lease. */
export const leaderKey = 'cluster/leader';

export const nodeKey = (id: string) => nodesPrefix + id.toLowerCase();
export const factsKey = (id: string) => factsPrefix + id.toLowerCase();
export const refusalKey = (id: string) => refusalsPrefix + id.toLowerCase();
export const volumeKey = (name: string) => volumesPrefix + name;
/** Of all volumes of which the node keeps a replica. */
export const volumeFactsPrefixOf = (node: string) => `${volumeFactsPrefix}${node.toLowerCase()}/`;
export const volumeFactsKey = (node: string, volume: string) => volumeFactsPrefixOf(node) + volume;
export const lostHostsKey = (node: string, volume: string) =>
  `${lostHostsPrefix}${node.toLowerCase()}/${volume}`;
export const reportsPrefixOf = (node: string) => `${reportsPrefix}${node.toLowerCase()}/`;
export const replicaReportKey = (node: string, replica: string) => reportsPrefixOf(node) + replica;
export const nodeReportKey = (node: string) => `${reportsPrefixOf(node)}node`;
