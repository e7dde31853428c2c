// What drills ask of the control plane of a cluster, and what it answers. Whoever runs drills brings it.

export interface ClusterReplica {
  readonly uuid: string;
  /** Name of the node that keeps it. */
  readonly node: string;
  readonly inSync: boolean;
  readonly state: string;
  /** While what it lacks is copied to it. */
  readonly resync?: { readonly doneBytes: number | string; readonly totalBytes: number | string };
}

export interface ClusterVolume {
  readonly nqn: string;
  readonly sizeBytes: number;
  readonly state: string;
  /** Name of the node; absent: none is. */
  readonly head?: string;
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  readonly replicas: readonly ClusterReplica[];
}

export interface ClusterNode {
  readonly name: string;
  readonly state: string;
  readonly up: boolean;
}

export interface ClusterApi {
  createVolume(volume: {
    readonly name: string;
    readonly sizeBytes: number;
    readonly replicas: number;
    readonly minInSync: number;
  }): Promise<void>;
  volume(name: string): Promise<ClusterVolume>;
  nodes(): Promise<readonly ClusterNode[]>;
  drain(node: string): Promise<void>;
  uncordon(node: string): Promise<void>;
  moveHead(volume: string, node: string): Promise<void>;
}

/** Why it is not in order; undefined: it is served, and all of it is in sync. */
export function whyNotWhole({ state, head, replicas }: ClusterVolume): string | undefined {
  const behind = replicas.filter(({ inSync }) => !inSync);
  const reasons = [
    ...(state === 'ready' ? [] : [`the volume is ${state}`]),
    ...(head === undefined ? ['no node is its head'] : []),
    ...behind.map((one) => `the replica of ${one.node} is not in sync (${one.state})`),
  ];
  return reasons.length === 0 ? undefined : reasons.join(', ');
}

/** In a line. */
export function describeVolume({ head, replicas }: ClusterVolume): string {
  const inSync = replicas.filter((one) => one.inSync).map(({ node }) => node);
  const others = replicas.filter((one) => !one.inSync).map(({ node, state }) => `${node} ${state}`);
  return [`head ${head ?? 'none'}`, `in sync ${inSync.join(' ') || 'none'}`, ...others].join(', ');
}
