// A target that is killed loses no acknowledged write, and its initiator comes back to the next one.
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DomainError } from '../../src/base/errors.js';
import { Engine } from '../../src/native/index.js';
import { Workspace } from '../support/ballast.js';

let workspace: Workspace;
let engine: Engine;
beforeEach(async () => {
  workspace = await Workspace.create();
  engine = await Engine.start({ onLog: () => undefined });
});
afterEach(async () => {
  await engine.close();
  await workspace.remove();
});

const blockBytes = 4096;
const blocksCount = 1024;
const writers = 16;
const writesBeforeKill = 400;

describe('a target killed with SIGKILL during writes', () => {
  it('has every acknowledged block of a file volume after a restart', async () => {
    const volume = ['--volume', `a=file:${workspace.path('a.img')}:${blocksCount * blockBytes}`];
    const target = await workspace.serve(...volume);
    const nqn = target.nqn('a');
    const at = (port: number) => ({ host: '127.0.0.1', port, nqn, ctrlLossTimeoutMs: 0 });
    const controller = await engine.connect(at(target.port));
    const [namespace] = controller.namespaces;

    // Each writer owns every 16th block, so the last acknowledged content of a block is known; what was sent
    // and not acknowledged may or may not be there.
    const acknowledged = new Map<number, Buffer>();
    const unsettled = new Map<number, Buffer>();
    let writes = 0;
    const write = async (writer: number) => {
      for (let turn = 0; ; turn += 1) {
        const block = writer + writers * (turn % (blocksCount / writers));
        const data = randomBytes(blockBytes);
        unsettled.set(block, data);
        try {
          await namespace!.write(BigInt(block), data);
        } catch (error) {
          expect(error).toBeInstanceOf(DomainError);
          return;
        }
        unsettled.delete(block);
        acknowledged.set(block, data);
        writes += 1;
        if (writes === writesBeforeKill) target.signal('SIGKILL');
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    await target.exited;
    await controller.close();
    expect(writes).toBeGreaterThanOrEqual(writesBeforeKill);

    const again = await workspace.serve(...volume);
    expect(again.nqn('a')).toBe(nqn);
    const second = await engine.connect(at(again.port));
    for (const [block, data] of acknowledged) {
      const found = await second.namespaces[0]!.read(BigInt(block), 1);
      const sent = unsettled.get(block);
      const kept = found.equals(data) || (sent !== undefined && found.equals(sent));
      expect(kept, `block ${block} of ${acknowledged.size} acknowledged ones`).toBe(true);
    }
    await second.close();
    expect(await again.stop()).toBe(0);
  });
});

describe('a target that is stopped with SIGTERM during writes', () => {
  it('answers or drops each write, exits 0, and has what it acknowledged', async () => {
    const volume = ['--volume', `a=file:${workspace.path('a.img')}:${blocksCount * blockBytes}`];
    const target = await workspace.serve(...volume);
    const options = { host: '127.0.0.1', port: target.port, nqn: target.nqn('a'), ctrlLossTimeoutMs: 0 };
    const controller = await engine.connect(options);
    const [namespace] = controller.namespaces;
    const acknowledged = new Map<number, Buffer>();
    let stopped = false;
    await Promise.all(
      Array.from({ length: blocksCount }, async (_, block) => {
        const data = randomBytes(blockBytes);
        try {
          await namespace!.write(BigInt(block), data);
          acknowledged.set(block, data);
        } catch (error) {
          expect(error).toBeInstanceOf(DomainError);
        }
        if (acknowledged.size === 100 && !stopped) {
          stopped = true;
          target.signal('SIGTERM');
        }
      }),
    );
    expect((await target.exited).code).toBe(0);
    await controller.close();

    const again = await workspace.serve(...volume);
    const second = await engine.connect({ ...options, port: again.port });
    for (const [block, data] of acknowledged) {
      expect((await second.namespaces[0]!.read(BigInt(block), 1)).equals(data), `block ${block}`).toBe(true);
    }
    await second.close();
    expect(await again.stop()).toBe(0);
  });
});
