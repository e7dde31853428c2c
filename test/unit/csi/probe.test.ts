// Kubernetes starts a plug-in again that says it is not ready, and with it what hangs on its process.
import { expect, it } from 'vitest';
import { UnreachableError } from '../../../src/base/errors.js';
import { identity } from '../../../src/csi/identity.js';

const down = { node: () => Promise.reject(new UnreachableError('a', 'it is down')) };
const said = { driverName: 'a', version: '1', services: [] };
const call = {} as never;

it('a plug-in of a node alone is ready without a daemon, which it may never reach', async () => {
  expect(await identity(said).Probe({}, call)).toEqual({ ready: { value: true } });
});

it('a controller is not ready without its daemon', async () => {
  expect(await identity({ ...said, storage: down }).Probe({}, call)).toEqual({ ready: { value: false } });
});
