// The contract over a real etcd.
import { afterAll, beforeAll, describe } from 'vitest';
import type { EtcdStore } from '../../../../src/store/etcd/etcd-store.js';
import { EtcdHarness, needsEtcd, withoutEtcd } from '../../../support/etcd.js';
import { storeContract } from '../contract.js';

describe.skipIf(withoutEtcd)(`with etcd ${needsEtcd}`, () => {
  let etcd: EtcdHarness;
  beforeAll(async () => {
    etcd = await new EtcdHarness().start();
  });
  afterAll(() => etcd.close());

  storeContract(
    'the etcd store',
    (clock) => etcd.open({ clock }),
    (store) => etcd.compact(store as EtcdStore),
  );
});
