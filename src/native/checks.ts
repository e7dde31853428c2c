// Argument checks: what passes here, the addon asserts. Each names the argument and what it has to be.
import { isIP } from 'node:net';
import { InvalidArgumentError } from '../base/errors.js';
import { checkNqn } from '../base/nqn.js';
import { uuidPattern } from '../base/volume-spec.js';

export function check(condition: boolean, argument: string, expected: string): asserts condition {
  if (!condition) throw new InvalidArgumentError(argument, expected);
}

export function checkInteger(value: unknown, argument: string, min: number, max: number): number {
  check(
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max,
    argument,
    `an integer from ${min} to ${max}`,
  );
  return value;
}

export function checkText(value: unknown, argument: string, bytesMax: number): string {
  check(
    typeof value === 'string' &&
      value !== '' &&
      Buffer.byteLength(value) <= bytesMax &&
      !value.includes('\0'),
    argument,
    `a string of 1 to ${bytesMax} bytes without NUL`,
  );
  return value;
}

export function checkBoolean(value: unknown, argument: string): boolean {
  check(value === undefined || typeof value === 'boolean', argument, 'a boolean');
  return value ?? false;
}

/** A 64-bit unsigned number. */
export function checkU64(value: unknown, argument: string): bigint {
  check(
    typeof value === 'bigint' && value >= 0n && value < 1n << 64n,
    argument,
    'a bigint from 0 to 2^64 - 1',
  );
  return value;
}

export function checkUuid(value: unknown, argument: string): string {
  check(typeof value === 'string' && uuidPattern.test(value), argument, 'a UUID in its text form');
  return value;
}

export function checkHost(value: unknown, argument: string): string {
  check(typeof value === 'string' && isIP(value) !== 0, argument, 'a numeric IPv4 or IPv6 address');
  return value;
}

export function checkHosts(hosts: readonly string[]): void {
  check(Array.isArray(hosts) && hosts.length <= 65_536, 'hosts', 'an array of host NQNs');
  for (const host of hosts) checkNqn(checkText(host, 'hosts', 65_536));
}

export function checkFunction<T>(value: T | undefined, argument: string): T | undefined {
  check(value === undefined || typeof value === 'function', argument, 'a function');
  return value;
}

export function checkSignal(value: unknown): void {
  check(value === undefined || value instanceof AbortSignal, 'signal', 'an AbortSignal');
}

export function checkObject(value: unknown, argument: string): void {
  check(typeof value === 'object' && value !== null, argument, 'an object');
}
