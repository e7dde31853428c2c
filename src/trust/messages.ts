// Made by proto/types.mjs from proto/join.proto: change that, make it again. Absent is '',
// '0', 0, false, [], {} or, for a message, null; of a oneof, the field that its name tells is there.

export interface JoinRequest {
  readonly tokenId: string;
  readonly secret: string;
  readonly nodeId: string;
  readonly name: string;
  readonly request: Uint8Array;
}

export interface JoinResponse {
  readonly certificate: string;
  readonly authority: string;
  readonly controllers: readonly Address[];
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface RenewRequest {
  readonly request: Uint8Array;
}

export interface RenewResponse {
  readonly certificate: string;
}

export interface JoinService {
  Join: { request: JoinRequest; response: JoinResponse };
}

export interface MembershipService {
  Renew: { request: RenewRequest; response: RenewResponse };
}
