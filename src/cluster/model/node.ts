// A node of a cluster as somebody wants it, and what may be done with it. Pure: each transition gives the
// record that is to be stored, the same object when nothing changes, or says why it cannot be.
//
//   active -> cordoned -> draining -> evacuating -> decommissioned
//        <-------- uncordon ---------------'
//
// Whether a node is there at all is not in here: that is said by its facts (facts.ts), which it alone writes.
import { formatHost, type HostPort } from '../../base/address.js';
import { NodeStateError } from '../../base/cluster-errors.js';
import { InvalidArgumentError } from '../../base/errors.js';
import { checkNqn } from '../../base/nqn.js';
import { uuidPattern } from '../../base/volume-spec.js';
import { checkLabels, checkName, type Labels } from './words.js';

/**
 * active: it may get replicas and heads. cordoned: no new replicas, and heads only where no other node can be
 * one. draining: its heads go elsewhere, as before an upgrade; its replicas stay. evacuating: its replicas go
 * too. decommissioned: it has nothing any more, and does not come back under this ID.
 */
export const nodeStates = ['active', 'cordoned', 'draining', 'evacuating', 'decommissioned'] as const;
export type NodeState = (typeof nodeStates)[number];

export interface NodeRecord {
  /** UUID; made by the node, and kept in its state directory. */
  readonly id: string;
  /** Unique in the cluster. */
  readonly name: string;
  readonly addresses: NodeAddresses;
  /** Who it is to members of other nodes: NQN of it as a host. */
  readonly hostNqn: string;
  readonly labels: Labels;
  /** Of its topology: what fails together. */
  readonly zone?: string;
  readonly state: NodeState;
  /** Tells its controllers of a subsystem from those of other nodes: see controllerIdsOf(). */
  readonly slot: number;
  /** ISO 8601, UTC. */
  readonly joined: string;
}

/** How many nodes there may be that are not decommissioned: each has its own range of controller IDs. */
export const nodesMax = 63;
const controllerIdsCount = 1024;

/**
 * The CNTLIDs that a node may give: of several nodes that serve one subsystem no two give the same one (NVMe
 * Base 2.1, "Controller ID").
 */
export function controllerIdsOf({ slot }: Pick<NodeRecord, 'slot'>): {
  readonly first: number;
  readonly last: number;
} {
  return { first: slot * controllerIdsCount + 1, last: (slot + 1) * controllerIdsCount };
}

export interface NodeAddresses {
  /** Where hosts reach its volumes. */
  readonly nvme: HostPort;
  /** Where heads of other nodes reach its replicas. */
  readonly replication: HostPort;
}

/** What a node says of itself when it joins, and whenever it starts. */
export type JoiningNode = Omit<NodeRecord, 'state' | 'slot' | 'joined'>;

/** The record of a node that joins. `others`: those that are there. */
export function joinNode(joining: JoiningNode, others: readonly NodeRecord[], now: Date): NodeRecord {
  const node = checkJoining(joining);
  const known = others.find(({ id }) => id === node.id);
  if (known !== undefined) return rejoin(known, node, others);
  checkUnique(node, others);
  return { ...node, state: 'active', slot: freeSlot(node.name, others), joined: now.toISOString() };
}

function freeSlot(name: string, others: readonly NodeRecord[]): number {
  const taken = new Set(others.flatMap(({ state, slot }) => (state === 'decommissioned' ? [] : [slot])));
  for (let slot = 0; slot < nodesMax; slot += 1) if (!taken.has(slot)) return slot;
  throw new NodeStateError(name, `cannot join: there are ${nodesMax} nodes, as many as there may be`);
}

/**
 * Starts again, perhaps elsewhere: what it says of itself is taken, what was decided about it stays. So do
 * its labels, and its zone, where it says nothing of them: somebody may have set them since.
 */
function rejoin(known: NodeRecord, node: JoiningNode, others: readonly NodeRecord[]): NodeRecord {
  if (known.state === 'decommissioned') {
    throw new NodeStateError(known.name, 'was decommissioned; a node of a new state directory may join');
  }
  checkUnique(node, others);
  const labels = Object.keys(node.labels).length > 0 ? node.labels : known.labels;
  const next: NodeRecord = { ...known, ...node, labels };
  return sameNode(known, next) ? known : next;
}

export function labelNode(node: NodeRecord, labels: Labels, zone: string | undefined): NodeRecord {
  refuseGone(node);
  checkLabels(labels);
  if (zone !== undefined) checkName('zone', zone);
  const { zone: _zone, ...rest } = node;
  const next = { ...rest, labels, ...(zone !== undefined && { zone }) };
  return sameNode(node, next) ? node : next;
}

export function cordonNode(node: NodeRecord): NodeRecord {
  refuseGone(node);
  return node.state === 'active' ? { ...node, state: 'cordoned' } : node; // the others are more than that
}

export function uncordonNode(node: NodeRecord): NodeRecord {
  refuseGone(node);
  return node.state === 'active' ? node : { ...node, state: 'active' };
}

export function drainNode(node: NodeRecord): NodeRecord {
  refuseGone(node);
  if (node.state === 'draining' || node.state === 'evacuating') return node;
  return { ...node, state: 'draining' };
}

export function evacuateNode(node: NodeRecord): NodeRecord {
  refuseGone(node);
  return node.state === 'evacuating' ? node : { ...node, state: 'evacuating' };
}

/** What records of volumes still say of a node. */
export interface NodeUse {
  readonly replicasCount: number;
  readonly headsCount: number;
}

export function decommissionNode(node: NodeRecord, { replicasCount, headsCount }: NodeUse): NodeRecord {
  if (node.state === 'decommissioned') return node;
  if (node.state !== 'evacuating') {
    throw new NodeStateError(
      node.name,
      `is ${node.state}: evacuate it first, so that nothing new comes to it`,
    );
  }
  if (replicasCount + headsCount > 0) {
    throw new NodeStateError(
      node.name,
      `still has ${replicasCount} replicas, and is to be the head of ${headsCount} volumes`,
    );
  }
  return { ...node, state: 'decommissioned' };
}

/** Replicas may come to it. */
export function takesReplicas({ state }: NodeRecord): boolean {
  return state === 'active';
}

/** A head may be moved to it. */
export function takesNewHeads({ state }: NodeRecord): boolean {
  return state === 'active';
}

/** It may be a head of what it keeps a replica of, and become one where no other node can. */
export function takesHeads({ state }: NodeRecord): boolean {
  return state === 'active' || state === 'cordoned';
}

function refuseGone({ name, state }: NodeRecord): void {
  if (state === 'decommissioned') throw new NodeStateError(name, 'was decommissioned');
}

function checkJoining(node: JoiningNode): JoiningNode {
  if (!uuidPattern.test(node.id)) throw new InvalidArgumentError('id', 'a UUID');
  checkName('name', node.name);
  if (node.zone !== undefined) checkName('zone', node.zone);
  checkLabels(node.labels);
  checkNqn(node.hostNqn);
  for (const [what, { host, port }] of Object.entries(node.addresses)) {
    if (host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new InvalidArgumentError(`addresses.${what}`, 'HOST:PORT with a port from 1 to 65535');
    }
    if (unspecified.has(host)) {
      throw new InvalidArgumentError(`addresses.${what}`, `an address that others reach; ${host} is any`);
    }
  }
  return node;
}

const unspecified: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

function checkUnique(node: JoiningNode, others: readonly NodeRecord[]): void {
  const rest = others.filter(({ id, state }) => id !== node.id && state !== 'decommissioned');
  const named = rest.find(({ name }) => name === node.name);
  if (named !== undefined) {
    throw new NodeStateError(node.name, `is there already, with ID ${named.id}; choose another name`);
  }
  const place = placeOf(node.addresses.replication);
  const there = rest.find(({ addresses }) => placeOf(addresses.replication) === place);
  if (there !== undefined) {
    throw new NodeStateError(node.name, `says that it is reached at ${place}, where '${there.name}' is`);
  }
}

function placeOf({ host, port }: HostPort): string {
  return `${formatHost(host)}:${port}`;
}

function sameNode(one: NodeRecord, other: NodeRecord): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(node: NodeRecord): unknown {
  const labels = Object.entries(node.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const { id, name, addresses, hostNqn, zone, state, slot, joined } = node;
  return [
    id,
    name,
    placeOf(addresses.nvme),
    placeOf(addresses.replication),
    hostNqn,
    labels,
    zone,
    state,
    slot,
    joined,
  ];
}
