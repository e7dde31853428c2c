// The settings of a volume as they lie in the store, read without trust: a part that cannot be understood is
// left out and told of, and hosts that cannot be understood are nobody. By hand: a library of schemas would
// be loaded for it before anything is served.
import { isFields, parseFields } from '../base/json-fields.js';
import { uuidPattern } from '../base/volume-spec.js';
import type { DecodedSettings, HostGrant, PodUse, QosSettings, VolumeSettings } from './volume-settings.js';

const qosNumbers: readonly string[] = [
  'iops',
  'readIops',
  'writeIops',
  'throughput',
  'readThroughput',
  'writeThroughput',
  'burstSeconds',
  'minIops',
  'weight',
] satisfies (keyof QosSettings)[];

/** `pool`: UUID of the pool that the volume is of, where it can be read. */
export function decodeSettings(value: Uint8Array): { decoded: DecodedSettings; pool: string | undefined } {
  const fields = parseFields(value);
  if (fields === undefined) return { decoded: unreadable('is not JSON'), pool: undefined };
  const pool = isText(fields.pool) ? fields.pool : undefined;
  if (fields.version !== 1) return { decoded: unreadable('is of another version'), pool };
  const damaged = (Object.keys(checks) as (keyof VolumeSettings)[]).filter(
    (key) => fields[key] !== undefined && !checks[key](fields[key]),
  );
  const known = Object.keys(checks).filter((key) => fields[key] !== undefined);
  const readable = known.filter((key) => !(damaged as string[]).includes(key));
  const settings: VolumeSettings = {
    ...Object.fromEntries(readable.map((key) => [key, fields[key]])),
    ...(damaged.includes('hosts') && { hosts: [] }),
  };
  if (damaged.length === 0) return { decoded: { settings }, pool };
  return { decoded: { settings, problem: `${damaged.join(', ')} cannot be read` }, pool };
}

// Who may use the volume is not known: nobody does, until it is said again.
function unreadable(problem: string): DecodedSettings {
  return { settings: { hosts: [] }, problem };
}

const checks: Readonly<Record<keyof VolumeSettings, (value: unknown) => boolean>> = {
  qos: isQos,
  hosts: (value) => Array.isArray(value) && value.every(isGrant),
  cloneOf: (value) => isText(value) && uuidPattern.test(value),
  pods: (value) => Array.isArray(value) && value.every(isPod),
  replica: isText,
};

function isQos(value: unknown): boolean {
  if (!isFields(value)) return false;
  return Object.entries(value).every(([key, one]) =>
    key === 'class' ? isText(one) : qosNumbers.includes(key) && isAmount(one),
  );
}

function isGrant(value: unknown): value is HostGrant {
  return isFields(value) && isText(value.nqn) && typeof value.exclusive === 'boolean';
}

function isPod(value: unknown): value is PodUse {
  if (!isFields(value)) return false;
  const { uid, node, namespace, name, claim } = value;
  return [uid, node, namespace, name].every(isText) && (claim === undefined || isText(claim));
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isAmount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
