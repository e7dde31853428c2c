// Who may be a node of the cluster: comes with a token that is valid, under an ID and a name that no other
// node has; stays until it is decommissioned. The use of a token and what it was used for are one commit.
import { timingSafeEqual } from 'node:crypto';
import { type Clock, systemClock } from '../base/clock.js';
import { NodeStateError } from '../base/cluster-errors.js';
import { StoreUnavailableError } from '../base/control-errors.js';
import { InvalidArgumentError } from '../base/errors.js';
import { JoinRefusedError, NodeRefusedError } from '../base/trust-errors.js';
import { uuidPattern } from '../base/volume-spec.js';
import { nodeKey } from '../cluster/model/keys.js';
import { decodeNode } from '../cluster/model/node-record.js';
import { checkName } from '../cluster/model/words.js';
import type { Compare, Store, Versioned, Write } from '../store/types.js';
import { hashSecret, joinTokenIdPattern } from './join-token.js';
import {
  admittedKey,
  decodeAdmitted,
  decodeName,
  decodeToken,
  encode,
  nameKey,
  tokenKey,
} from './records.js';

export interface Applicant {
  readonly tokenId: string;
  readonly secret: string;
  readonly nodeId: string;
  readonly name: string;
}

const tokenIdPattern = new RegExp(joinTokenIdPattern);
const noHash = Buffer.alloc(32);
/** Of a commit that others were before. */
const attemptsMax = 16;

export class Admission {
  constructor(
    readonly store: Store,
    readonly clock: Clock = systemClock,
  ) {}

  /** Whether the token is valid now; JOIN_REFUSED without saying why not. Changes nothing. */
  async checkToken({ tokenId, secret }: Pick<Applicant, 'tokenId' | 'secret'>): Promise<void> {
    await this.#token(tokenId, secret);
  }

  /**
   * Takes one use of the token. The same node again with the same token takes none, so that it may repeat
   * what it has not heard the answer of.
   */
  async admit({ tokenId, secret, nodeId, name }: Applicant): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const token = await this.#token(tokenId, secret); // before anything is told of names and IDs
      if (!uuidPattern.test(nodeId)) throw new InvalidArgumentError('node ID', 'a UUID');
      checkName('name', name);
      const [admitted, named] = await Promise.all([
        this.store.get(admittedKey(nodeId)),
        this.store.get(nameKey(name)),
      ]);
      await this.#checkIdentity(nodeId, name, admitted, named);
      const known = admitted === undefined ? undefined : decodeAdmitted(admitted);
      const record = token.record;
      const isRepeated = known?.token === tokenId;
      if (!isRepeated && record.uses >= record.usesMax) throw new JoinRefusedError();
      const joined = known?.joined ?? this.clock.date().toISOString();
      const uses = record.uses + (isRepeated ? 0 : 1);
      const { ok } = await this.store.commit(
        [
          { key: tokenKey(tokenId), revision: token.revision },
          compared(admittedKey(nodeId), admitted),
          compared(nameKey(name), named),
        ],
        [
          put(tokenKey(tokenId), { ...record, uses }),
          put(admittedKey(nodeId), { name, token: tokenId, joined }),
          put(nameKey(name), { node: nodeId.toLowerCase() }),
        ],
      );
      if (ok) return;
    }
    throw new StoreUnavailableError('join', 'others were first too often');
  }

  /** Of a node with a certificate that is valid. */
  async checkNode(nodeId: string): Promise<void> {
    const entry = await this.store.get(nodeKey(nodeId));
    if (entry !== undefined && decodeNode(entry.key, entry.value).state === 'decommissioned') {
      throw new NodeRefusedError('this node was decommissioned');
    }
  }

  async #token(tokenId: string, secret: string) {
    const entry = tokenIdPattern.test(tokenId) ? await this.store.get(tokenKey(tokenId)) : undefined;
    const record = entry === undefined ? undefined : decodeToken(entry);
    // Also where there is none, so that the time does not tell which there are.
    const known = record === undefined ? noHash : Buffer.from(record.sha256, 'hex');
    const equal = timingSafeEqual(hashSecret(secret), known);
    if (entry === undefined || record === undefined || !equal) throw new JoinRefusedError();
    if (Date.parse(record.expires) <= this.clock.date().getTime()) throw new JoinRefusedError();
    return { record, revision: entry.revision };
  }

  async #checkIdentity(
    nodeId: string,
    name: string,
    admitted: Versioned | undefined,
    named: Versioned | undefined,
  ): Promise<void> {
    const own = await this.#recordOf(nodeId);
    if (own?.state === 'decommissioned') {
      throw new NodeStateError(own.name, 'was decommissioned; a node of a new state directory may join');
    }
    const knownAs = own?.name ?? (admitted === undefined ? undefined : decodeAdmitted(admitted).name);
    if (knownAs !== undefined && knownAs !== name) {
      throw new NodeStateError(
        name,
        `has the ID ${nodeId} of node '${knownAs}': a state directory was copied?`,
      );
    }
    const holder = named === undefined ? undefined : decodeName(named);
    if (holder === undefined || holder === nodeId.toLowerCase()) return;
    if ((await this.#recordOf(holder))?.state === 'decommissioned') return; // its name is free again
    throw new NodeStateError(name, `is there already, with ID ${holder}; choose another name`);
  }

  async #recordOf(nodeId: string) {
    const entry = await this.store.get(nodeKey(nodeId));
    return entry === undefined ? undefined : decodeNode(entry.key, entry.value);
  }
}

function compared(key: string, entry: Versioned | undefined): Compare {
  return { key, revision: entry?.revision ?? 0n };
}

function put(key: string, record: Parameters<typeof encode>[0]): Write {
  return { type: 'put', key, value: encode(record) };
}
