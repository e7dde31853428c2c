// Who is admitted: with which tokens, under which IDs and names, in which order.
import { beforeEach, describe, expect, it } from 'vitest';
import { nodeKey } from '../../../src/cluster/model/keys.js';
import { joinNode, type NodeRecord } from '../../../src/cluster/model/node.js';
import { encodeNode } from '../../../src/cluster/model/node-record.js';
import { openMemoryStore } from '../../../src/store/memory/memory-store.js';
import type { Store } from '../../../src/store/types.js';
import { Admission, type Applicant } from '../../../src/trust/admission.js';
import { parseJoinToken } from '../../../src/trust/join-token.js';
import { JoinTokens, type WantedJoinToken } from '../../../src/trust/join-tokens.js';
import { FakeClock } from '../../support/fake-clock.js';

const one = '0b4f7c58-5d0f-4a6e-9f0e-3a3a0e5b6c11';
const two = '1c4f7c58-5d0f-4a6e-9f0e-3a3a0e5b6c11';
let store: Store;
let clock: FakeClock;
let tokens: JoinTokens;
let admission: Admission;

beforeEach(() => {
  store = openMemoryStore();
  clock = new FakeClock();
  tokens = new JoinTokens(store, Buffer.alloc(32), clock);
  admission = new Admission(store, clock);
});

async function applicant(wanted: WantedJoinToken = {}): Promise<Applicant> {
  const { id, secret } = parseJoinToken((await tokens.create(wanted)).token);
  return { tokenId: id, secret, nodeId: one, name: 'n1' };
}

const refused = { code: 'JOIN_REFUSED' };
const uses = async () => (await tokens.list()).map((token) => token.uses);

describe('a token', () => {
  it('M1: that is wrong, unknown, revoked, expired or used up is refused in the same words', async () => {
    const good = await applicant();
    const texts = new Set<string>();
    const refusal = async (wrong: Applicant) => {
      const error = await admission.admit(wrong).then(
        () => undefined,
        (thrown: Error) => thrown,
      );
      expect(error).toMatchObject(refused);
      texts.add(error?.message ?? '');
    };
    await refusal({ ...good, secret: '' });
    await refusal({ ...good, secret: `${good.secret.slice(1)}x` });
    await refusal({ ...good, tokenId: '0123456789ab' });
    for (const tokenId of ['', '../nodes', 'a b\0', 'x'.repeat(10_000)]) await refusal({ ...good, tokenId });
    const revoked = await applicant();
    await tokens.revoke(revoked.tokenId);
    await refusal(revoked);
    const late = await applicant({ ttlSeconds: 60 });
    clock.advance(60_000);
    await refusal(late);
    await admission.admit(good);
    await refusal({ ...good, nodeId: two, name: 'n2' });
    expect(texts.size).toBe(1);
  });

  it('M1: that is wrong is refused before anything is said of the node', async () => {
    const good = await applicant();
    await admission.admit(good);
    await expect(admission.admit({ ...good, secret: 'x', name: 'other' })).rejects.toMatchObject(refused);
    await expect(admission.admit({ ...good, secret: 'x', nodeId: '' })).rejects.toMatchObject(refused);
  });

  it('is used once by each node, however often that asks', async () => {
    const good = await applicant({ usesMax: 2 });
    await admission.admit(good);
    await admission.admit(good);
    expect(await uses()).toEqual([1]);
    await admission.admit({ ...good, nodeId: two, name: 'n2' });
    expect(await uses()).toEqual([2]);
    await admission.admit(good);
    await expect(
      admission.admit({ ...good, nodeId: two.replace('1', '2'), name: 'n3' }),
    ).rejects.toMatchObject(refused);
  });

  it('M6: for one node lets one of many in that come at once', async () => {
    const good = await applicant();
    const ids = Array.from({ length: 8 }, (_, i) => one.replace('0b', `0${i}`));
    const results = await Promise.allSettled(
      ids.map((nodeId, i) => admission.admit({ ...good, nodeId, name: `n${i}` })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await uses()).toEqual([1]);
  });
});

describe('a node', () => {
  it('D23: with the ID of another is refused, and the token is not used', async () => {
    await admission.admit(await applicant());
    const copy = { ...(await applicant()), name: 'n2' };
    const error = { code: 'NODE_STATE', message: expect.stringContaining("of node 'n1'") };
    await expect(admission.admit(copy)).rejects.toMatchObject(error);
    await expect(admission.admit({ ...copy, nodeId: one.toUpperCase() })).rejects.toMatchObject(error);
    expect((await uses()).sort()).toEqual([0, 1]);
  });

  it('with the name of another is refused', async () => {
    await admission.admit(await applicant());
    await expect(admission.admit({ ...(await applicant()), nodeId: two })).rejects.toMatchObject({
      code: 'NODE_STATE',
      message: expect.stringContaining(`is there already, with ID ${one}`),
    });
  });

  it('M6: of two with one name that come at once, one is admitted', async () => {
    const [first, second] = [await applicant(), { ...(await applicant()), nodeId: two }];
    const results = await Promise.allSettled([admission.admit(first), admission.admit(second)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('may come again with another token: its certificate was lost', async () => {
    await admission.admit(await applicant());
    await admission.admit(await applicant());
    expect(await uses()).toEqual([1, 1]);
  });

  it('that is known to the cluster by its record alone has its name', async () => {
    await putNode({ id: one, name: 'n7' });
    await expect(admission.admit(await applicant())).rejects.toMatchObject({ code: 'NODE_STATE' });
    await admission.admit({ ...(await applicant()), name: 'n7' });
  });

  it('M18: that was decommissioned is refused, with its certificate and with a token', async () => {
    await admission.admit(await applicant());
    await admission.checkNode(one);
    await putNode({ id: one, name: 'n1', state: 'decommissioned' });
    await expect(admission.checkNode(one.toUpperCase())).rejects.toMatchObject({ code: 'NODE_REFUSED' });
    await expect(admission.admit(await applicant())).rejects.toMatchObject({ code: 'NODE_STATE' });
    await admission.admit({ ...(await applicant()), nodeId: two });
    await admission.checkNode(two);
  });

  it.each(['', '-', 'a b', 'a\nb', '../x', 'ä', 'x'.repeat(64)])(
    'M3, M12: is not called %j',
    async (name) => {
      const wrong = { ...(await applicant()), name };
      await expect(admission.admit(wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  );

  it.each(['', 'x', `${one}/`, '../names/n1'])('M3: does not have the ID %j', async (nodeId) => {
    const wrong = { ...(await applicant()), nodeId };
    await expect(admission.admit(wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

async function putNode(fields: Pick<NodeRecord, 'id' | 'name'> & Partial<NodeRecord>): Promise<void> {
  const address = { host: '192.0.2.1', port: 4420 };
  const joining = {
    id: fields.id,
    name: fields.name,
    addresses: { nvme: address, replication: address },
    hostNqn: `nqn.2014-08.org.nvmexpress:uuid:${one}`,
    labels: {},
  };
  const node: NodeRecord = { ...joinNode(joining, [], clock.date()), ...fields };
  await store.commit([], [{ type: 'put', key: nodeKey(node.id), value: encodeNode(node) }]);
}
