// Made by proto/types.mjs from proto/store.proto: change that, make it again. Absent is '',
// '0', 0, false, [], {} or, for a message, null; of a oneof, the field that its name tells is there.

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: string;
}

export interface GetRequest {
  readonly key: string;
}

export interface GetResponse {
  readonly entry: Entry | null;
}

export interface ListRequest {
  readonly prefix: string;
}

export interface ListPage {
  readonly revision: string;
  readonly entries: readonly Entry[];
}

export interface Compare {
  readonly key: string;
  readonly revision: string;
}

export interface Write {
  readonly key: string;
  readonly delete: boolean;
  readonly value: Uint8Array;
  readonly lease: string;
}

export interface CommitRequest {
  readonly compare: readonly Compare[];
  readonly write: readonly Write[];
}

export interface CommitResponse {
  readonly ok: boolean;
  readonly revision: string;
}

export interface WatchRequest {
  readonly prefix: string;
  readonly after: string;
}

export interface Change {
  readonly key: string;
  readonly deleted: boolean;
  readonly value: Uint8Array;
}

export interface ChangeSet {
  readonly revision: string;
  readonly changes: readonly Change[];
}

export interface WatchResponse {
  readonly commits: readonly ChangeSet[];
}

export interface GrantLeaseRequest {
  readonly ttlMs: number;
}

export interface GrantLeaseResponse {
  readonly id: string;
}

export interface RenewLeaseRequest {
  readonly id: string;
}

export interface RenewLeaseResponse {
  readonly alive: boolean;
}

export interface RevokeLeaseRequest {
  readonly id: string;
}

export type RevokeLeaseResponse = Readonly<Record<string, never>>;

export interface StoreService {
  Get: { request: GetRequest; response: GetResponse };
  List: { request: ListRequest; stream: ListPage };
  Commit: { request: CommitRequest; response: CommitResponse };
  Watch: { request: WatchRequest; stream: WatchResponse };
  GrantLease: { request: GrantLeaseRequest; response: GrantLeaseResponse };
  RenewLease: { request: RenewLeaseRequest; response: RenewLeaseResponse };
  RevokeLease: { request: RevokeLeaseRequest; response: RevokeLeaseResponse };
}
