// A mounter over maps: mounts by path, contents by the namespace behind a device. Places are real ones, in a
// temporary directory, so that the walk to them is the real one too. Its state outlives whoever asks.

import { lstat } from 'node:fs/promises';
import { type Place, through } from '../../src/csi/mounter/place.js';
import type {
  DeviceContent,
  FileSystemType,
  FormatOptions,
  Mount,
  Mounter,
  MountOptions,
  Usage,
} from '../../src/csi/mounter/types.js';
import type { FakeAttacher } from './fake-attacher.js';

interface FakeMount extends Mount {
  /** Of a device that is bound to a file. */
  readonly boundDevice?: string;
}

export class FakeMounter implements Mounter {
  readonly mounts: FakeMount[] = [];
  /** By the UUID of the namespace; absent: empty. */
  readonly contents = new Map<string, DeviceContent>();
  readonly formats: string[] = [];
  readonly checks: string[] = [];
  readonly grown: string[] = [];
  /** Called before and after each step that changes something; what it throws ends the call there. */
  before: (step: string) => void = () => undefined;
  /** Places whose root cannot be looked at. */
  readonly troubles = new Map<string, string>();
  readonly #attacher: FakeAttacher;

  constructor(attacher: FakeAttacher) {
    this.#attacher = attacher;
  }

  async mountsAt({ path }: Place): Promise<readonly Mount[]> {
    return this.mounts.filter(({ mountPoint }) => mountPoint === path).reverse();
  }

  async deviceNumber(device: string): Promise<string | undefined> {
    const there = [...this.#attacher.attached.values()].some((one) => one.device === device);
    return there ? numberOf(device) : undefined;
  }

  async deviceNumberAt(place: Place): Promise<string | undefined> {
    const [mount] = (await this.mountsAt(place)) as FakeMount[];
    return mount?.boundDevice;
  }

  async probe(device: string): Promise<DeviceContent> {
    return this.contents.get(this.#uuidOf(device)) ?? { kind: 'empty' };
  }

  async format(device: string, { type, uuid }: FormatOptions): Promise<void> {
    const namespace = this.#uuidOf(device);
    this.before('format');
    this.formats.push(namespace);
    this.contents.set(namespace, { kind: 'data' }); // half made
    this.before('formatting');
    this.contents.set(namespace, { kind: 'file-system', type, uuid, unused: true });
    this.before('formatted');
  }

  async check(device: string, _type: FileSystemType): Promise<void> {
    this.before('check');
    this.checks.push(device);
  }

  async mount(device: string, at: Place, { type, flags }: MountOptions): Promise<void> {
    await this.#has(at, 'directory');
    this.before('mount');
    const namespace = this.#uuidOf(device);
    const content = this.contents.get(namespace);
    if (content?.kind !== 'file-system' || content.type !== type) throw new Error('wrong fs type');
    if (!flags.includes('ro')) this.contents.set(namespace, { ...content, unused: false });
    const superOptions = [flags.includes('ro') ? 'ro' : 'rw'];
    this.mounts.push({
      mountPoint: at.path,
      device: numberOf(device),
      fsType: type,
      options: [...flags],
      superOptions,
    });
    this.before('mounted');
  }

  async bind(source: Place | string, at: Place, { readOnly }: { readonly readOnly: boolean }): Promise<void> {
    await this.#has(at, typeof source === 'string' ? 'file' : 'directory');
    this.before('bind');
    if (typeof source === 'string') {
      this.mounts.push({
        mountPoint: at.path,
        device: '0:6',
        boundDevice: numberOf(source),
        fsType: 'devtmpfs',
        options: ['rw'],
        superOptions: ['rw'],
      });
    } else {
      const [mount] = (await this.mountsAt(source)) as FakeMount[];
      if (mount === undefined) throw new Error('nothing is mounted there');
      this.mounts.push({ ...mount, mountPoint: at.path });
    }
    this.before('bound');
    if (readOnly) await this.bindReadOnly(at);
  }

  async bindReadOnly(at: Place): Promise<void> {
    const index = this.mounts.findLastIndex(({ mountPoint }) => mountPoint === at.path);
    const mount = this.mounts[index];
    if (mount === undefined) throw new Error('nothing is mounted there');
    this.before('bindReadOnly');
    this.mounts[index] = { ...mount, options: ['ro'] };
  }

  async unmount(at: Place): Promise<void> {
    const index = this.mounts.findLastIndex(({ mountPoint }) => mountPoint === at.path);
    if (index < 0) throw new Error('nothing is mounted there');
    this.before('unmount');
    this.mounts.splice(index, 1);
    this.before('unmounted');
  }

  async grow(device: string, _at: Place, _type: string): Promise<void> {
    this.before('grow');
    this.grown.push(device);
  }

  async usage(_at: Place): Promise<Usage> {
    const numbers = { total: 1000n, used: 400n, available: 600n };
    return { bytes: numbers, inodes: numbers };
  }

  async trouble({ path }: Place): Promise<string | undefined> {
    return this.troubles.get(path);
  }

  #uuidOf(device: string): string {
    const found = [...this.#attacher.attached.values()].find((one) => one.device === device);
    if (found === undefined) throw new Error(`there is no device ${device}`);
    return found.uuid;
  }

  async #has(place: Place, kind: 'file' | 'directory'): Promise<void> {
    const found = await lstat(through(place));
    if (kind === 'file' ? !found.isFile() : !found.isDirectory()) throw new Error(`that is no ${kind}`);
  }
}

function numberOf(device: string): string {
  return `259:${device.replace(/\D/g, '')}`;
}
