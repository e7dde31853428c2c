// What the node service does to file systems and mounts, as an interface: the real one runs the tools of
// the system, that of tests keeps mounts in a map. Every call looks at what there is; none is undone.
import type { Place } from './place.js';

export type FileSystemType = 'ext4' | 'xfs';

/** A line of /proc/self/mountinfo. */
export interface Mount {
  readonly mountPoint: string;
  /** MAJOR:MINOR of the file system; of a device node that is bound to a file, those of /dev. */
  readonly device: string;
  readonly fsType: string;
  /** Of this mount: ro, noatime, ... */
  readonly options: readonly string[];
  /** Of the file system, wherever it is mounted. */
  readonly superOptions: readonly string[];
}

/** What is on a device, as far as can be told without changing it. */
export type DeviceContent =
  | {
      readonly kind: 'file-system';
      readonly type: string;
      readonly uuid?: string;
      /** ext4 and xfs: it is not finished, or was never mounted to be written to. */
      readonly unused: boolean;
    }
  /** A partition table, a member of a RAID, swap, ... */
  | { readonly kind: 'other'; readonly what: string }
  /** No signature, and nothing but zeroes in its first and last MiB. */
  | { readonly kind: 'empty' }
  /** No signature that is known, and data. */
  | { readonly kind: 'data' }
  /** It could not be read, or not be decided. Never a reason to write. */
  | { readonly kind: 'unclear'; readonly why: string };

export interface FormatOptions {
  readonly type: FileSystemType;
  /** What the file system is known by afterwards. */
  readonly uuid: string;
  /** Over what an earlier attempt has left. */
  readonly again: boolean;
}

export interface MountOptions {
  readonly type: FileSystemType;
  readonly flags: readonly string[];
}

export interface Usage {
  readonly bytes: UsageNumbers;
  readonly inodes: UsageNumbers;
}

export interface UsageNumbers {
  readonly total: bigint;
  readonly used: bigint;
  readonly available: bigint;
}

/** Errors: RpcError INTERNAL with what the tool said; FAILED_PRECONDITION where a tool is not installed. */
export interface Mounter {
  /** What is mounted at the place, the last one first. */
  mountsAt(place: Place): Promise<readonly Mount[]>;
  /** MAJOR:MINOR of a block device; undefined: it is none, or not there. */
  deviceNumber(device: string): Promise<string | undefined>;
  /** The same of a block device that is bound to the place. */
  deviceNumberAt(place: Place): Promise<string | undefined>;
  probe(device: string): Promise<DeviceContent>;
  /** Makes a file system. The caller knows that nothing is on the device. */
  format(device: string, options: FormatOptions): Promise<void>;
  /** Repairs what can be without a decision. Refuses what needs one. */
  check(device: string, type: FileSystemType): Promise<void>;
  mount(device: string, at: Place, options: MountOptions): Promise<void>;
  /** A directory that is mounted, or a device to a file. `readOnly`: a second step. */
  bind(source: Place | string, at: Place, options: { readonly readOnly: boolean }): Promise<void>;
  /** Makes a bind mount read-only, again if it was. */
  bindReadOnly(at: Place): Promise<void>;
  /** The last one that is mounted there. */
  unmount(at: Place): Promise<void>;
  /** The file system has the size of its device afterwards; never smaller. */
  grow(device: string, at: Place, type: string): Promise<void>;
  usage(at: Place): Promise<Usage>;
  /** Why the root of what is mounted cannot be looked at; undefined: it can. No I/O to the device. */
  trouble(at: Place): Promise<string | undefined>;
}
