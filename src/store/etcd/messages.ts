// Made by proto/types.mjs from proto/etcd.proto: change that, make it again. Absent is '',
// '0', 0, false, [], {} or, for a message, null; of a oneof, the field that its name tells is there.

export type CompareResult = 'EQUAL';

export type CompareTarget = 'VERSION' | 'MOD';

export type EventType = 'PUT' | 'DELETE';

export interface ResponseHeader {
  readonly clusterId: string;
  readonly revision: string;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly modRevision: string;
  readonly value: Uint8Array;
}

export interface RangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly limit: string;
  readonly revision: string;
  readonly keysOnly: boolean;
}

export interface RangeResponse {
  readonly header: ResponseHeader | null;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: string;
}

export interface DeleteRangeRequest {
  readonly key: Uint8Array;
}

export interface RequestOp {
  readonly requestRange: RangeRequest | null;
  readonly requestPut: PutRequest | null;
  readonly requestDeleteRange: DeleteRangeRequest | null;
}

export interface Compare {
  readonly result: CompareResult;
  readonly target: CompareTarget;
  readonly key: Uint8Array;
  readonly modRevision: string;
}

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
}

export interface TxnResponse {
  readonly header: ResponseHeader | null;
  readonly succeeded: boolean;
}

export interface WatchRequest {
  readonly createRequest: WatchCreateRequest | null;
}

export interface WatchCreateRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: string;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
}

export interface WatchResponse {
  readonly header: ResponseHeader | null;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: string;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly Event[];
}

export interface Event {
  readonly type: EventType;
  readonly kv: KeyValue | null;
}

export interface LeaseGrantRequest {
  readonly ttl: string;
  readonly id: string;
}

export interface LeaseGrantResponse {
  readonly header: ResponseHeader | null;
  readonly id: string;
  readonly ttl: string;
  readonly error: string;
}

export interface LeaseRevokeRequest {
  readonly id: string;
}

export interface LeaseRevokeResponse {
  readonly header: ResponseHeader | null;
}

export interface LeaseKeepAliveRequest {
  readonly id: string;
}

export interface LeaseKeepAliveResponse {
  readonly header: ResponseHeader | null;
  readonly id: string;
  readonly ttl: string;
}

export interface AuthenticateRequest {
  readonly name: string;
  readonly password: string;
}

export interface AuthenticateResponse {
  readonly header: ResponseHeader | null;
  readonly token: string;
}

export interface KVService {
  Range: { request: RangeRequest; response: RangeResponse };
  Txn: { request: TxnRequest; response: TxnResponse };
}

export interface WatchService {
  Watch: { requests: WatchRequest; stream: WatchResponse };
}

export interface LeaseService {
  LeaseGrant: { request: LeaseGrantRequest; response: LeaseGrantResponse };
  LeaseRevoke: { request: LeaseRevokeRequest; response: LeaseRevokeResponse };
  LeaseKeepAlive: { requests: LeaseKeepAliveRequest; stream: LeaseKeepAliveResponse };
}

export interface AuthService {
  Authenticate: { request: AuthenticateRequest; response: AuthenticateResponse };
}
