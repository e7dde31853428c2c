// What may be done with a node of a cluster, in the words of the API and of the command line.
export const nodeActions = ['cordon', 'uncordon', 'drain', 'evacuate', 'decommission'] as const;
export type NodeAction = (typeof nodeActions)[number];
