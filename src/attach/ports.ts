// What attaching touches outside of files: handed in by src/main, and by tests as fakes.

/** Calls into the kernel that Node.js has not. */
export interface KernelCalls {
  /** Unmounts what nobody serves any more, in use or not. A path that is no mount point is no error. */
  unmountDead(path: string): Promise<void>;
  /** ATTACH_CONFLICT if it is in use, unless `evenIfUsed`; a device that has another file is left alone. */
  removeLoop(device: string, file: string, evenIfUsed: boolean): Promise<void>;
  /** What the ublk driver can do, as bits; rejects with why it cannot be used. */
  ublkFeatures(): Promise<bigint>;
  /** Removes the ublk devices of this UUID, in use or not: their process has died. */
  removeUblk(uuid: string): Promise<void>;
  /** flock(2), exclusive, without waiting: whether we have it. */
  tryLock(descriptor: number): boolean;
}

/** Where the kernel shows itself: "/sys", "/proc" and "/dev", or trees of a test. */
export interface KernelRoots {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
}

/** A started process: what is known of it before it has said anything. */
export interface StartedServer {
  readonly pid: number;
}

export interface ProcessCalls {
  /** `ballast attach-serve`, detached, its output at the end of `logFile`. */
  startServer(stateDirectory: string, uuid: string, logFile: string): Promise<StartedServer>;
  /** Runs a program to its end; rejects when it fails or is missing. */
  run(program: string, argv: readonly string[]): Promise<void>;
  kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void;
}
