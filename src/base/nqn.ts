// NVMe Qualified Names: the form of the NVM Express Base Specification 2.1, "NVMe Qualified Names", and our
// own names.
import { InvalidNqnError } from './errors.js';

export const nqnBytesMax = 223;
export const discoveryNqn = 'nqn.2014-08.org.nvmexpress.discovery';
const uuidForm = /^nqn\.2014-08\.org\.nvmexpress:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const domainForm = /^nqn\.\d{4}-(?:0[1-9]|1[0-2])\.[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::.+)?$/i;

export function checkNqn(nqn: string): string {
  const bytes = Buffer.byteLength(nqn);
  if (bytes > nqnBytesMax) throw new InvalidNqnError(nqn, `is ${bytes} bytes long, more than ${nqnBytesMax}`);
  if (/[\s\p{Cc}]/u.test(nqn)) throw new InvalidNqnError(nqn, 'has a space or a control character');
  if (!uuidForm.test(nqn) && !domainForm.test(nqn)) {
    throw new InvalidNqnError(nqn, 'expected nqn.YYYY-MM.reversed.domain:identifier');
  }
  return nqn;
}

/** As checkNqn; refuses the well-known discovery name too, which is every target's own. */
export function checkSubsystemNqn(nqn: string): string {
  if (nqn === discoveryNqn) throw new InvalidNqnError(nqn, 'is the name of the discovery subsystem');
  return checkNqn(nqn);
}

export function volumeNqn(uuid: string): string {
  return `nqn.2026-11.dev.ballast:volume:${uuid}`;
}

/** Of the subsystem by which heads reach a replica (docs/formats/replica-protocol.md). */
export function replicaNqn(uuid: string): string {
  return `nqn.2026-11.dev.ballast:replica:${uuid}`;
}

const replicaForm = /^nqn\.2026-11\.dev\.ballast:replica:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** The UUID of the replica that has this NQN; undefined: it is none of a replica. */
export function replicaUuidOf(nqn: string): string | undefined {
  return replicaForm.exec(nqn)?.[1]?.toLowerCase();
}
