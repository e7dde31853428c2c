// A host that connects an admin queue, enables the controller, and from then on only keeps it alive: what an
// idle connection costs a target is measured with it (bench/idle.mjs). NVMe/TCP Transport 1.1, "Initialize
// Connection Request PDU" and "Command Capsule PDU"; NVMe Base 2.1, "Connect command", "Property Set command"
// and "Keep Alive command".

import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';

const pduBytes = { icreq: 128, icresp: 128, command: 72, response: 24 };
const connectDataBytes = 1024;
const queueEntries = 32;

function icreq() {
  const pdu = Buffer.alloc(pduBytes.icreq);
  pdu[2] = pduBytes.icreq; // HLEN
  pdu.writeUInt32LE(pduBytes.icreq, 4); // PLEN; PFV, HPDA, digests and MAXR2T are 0
  return pdu;
}

/** A command capsule with its data in it; `fill` writes the command's own fields into the 64-byte SQE. */
function capsule(commandId, opcode, data, fill) {
  const pdu = Buffer.alloc(pduBytes.command + data.length);
  pdu[0] = 0x04; // CapsuleCmd
  pdu[2] = pduBytes.command;
  pdu[3] = data.length > 0 ? pduBytes.command : 0; // PDO
  pdu.writeUInt32LE(pdu.length, 4);
  const sqe = pdu.subarray(8, 72);
  sqe[0] = opcode;
  sqe[1] = 0x40; // PSDT: SGLs
  sqe.writeUInt16LE(commandId, 2);
  sqe.writeUInt32LE(data.length, 32); // SGL1: length
  sqe[39] = data.length > 0 ? 0x01 : 0x5a; // SGL1: offset in the capsule, or transport data
  fill(sqe);
  data.copy(pdu, pduBytes.command);
  return pdu;
}

function connectCapsule(subsystemNqn, hostNqn, hostId, keepAliveMs) {
  const data = Buffer.alloc(connectDataBytes);
  Buffer.from(hostId.replaceAll('-', ''), 'hex').copy(data, 0);
  data.writeUInt16LE(0xffff, 16); // CNTLID: any
  data.write(subsystemNqn, 256);
  data.write(hostNqn, 512);
  return capsule(1, 0x7f, data, (sqe) => {
    sqe[4] = 0x01; // FCTYPE: Connect
    sqe.writeUInt16LE(queueEntries - 1, 44); // SQSIZE; QID is 0
    sqe.writeUInt32LE(keepAliveMs, 48); // KATO
  });
}

function enableCapsule() {
  return capsule(2, 0x7f, Buffer.alloc(0), (sqe) => {
    sqe[4] = 0x00; // FCTYPE: Property Set
    sqe.writeUInt32LE(0x14, 44); // CC
    sqe.writeUInt32LE(0x00460001, 48); // IOCQES 16, IOSQES 64, EN
  });
}

const keepAliveCapsule = (commandId) => capsule(commandId, 0x18, Buffer.alloc(0), () => {});

/** Reads exactly `size` bytes at a time from the socket. */
function reader(socket) {
  let pending = Buffer.alloc(0);
  let wanted;
  let broken;
  const serve = () => {
    if (!wanted) return;
    if (pending.length >= wanted.size) {
      const taken = pending.subarray(0, wanted.size);
      pending = pending.subarray(wanted.size);
      const { resolve } = wanted;
      wanted = undefined;
      resolve(taken);
    } else if (broken) {
      wanted.reject(broken);
    }
  };
  socket.on('data', (data) => {
    pending = Buffer.concat([pending, data]);
    serve();
  });
  const fail = (error) => {
    broken ??= error ?? new Error('the target closed the connection');
    serve();
  };
  socket.on('error', fail);
  socket.on('close', () => fail());
  return (size) =>
    new Promise((resolve, reject) => {
      wanted = { size, resolve, reject };
      serve();
    });
}

/** Resolves with { keepAlive(), close() } once the controller is enabled. */
export async function connectQuietHost(port, subsystemNqn, keepAliveMs) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const read = reader(socket);
  const hostId = randomUUID();
  let commandId = 2;
  const answer = async (what) => {
    const pdu = await read(pduBytes.response);
    const status = pdu.readUInt16LE(8 + 14) >> 1;
    if (pdu[0] !== 0x05 || status !== 0)
      throw new Error(`${what}: PDU type ${pdu[0]}, status 0x${status.toString(16)}`);
  };
  socket.write(icreq());
  await read(pduBytes.icresp);
  socket.write(
    connectCapsule(subsystemNqn, `nqn.2014-08.org.nvmexpress:uuid:${hostId}`, hostId, keepAliveMs),
  );
  await answer('Connect');
  socket.write(enableCapsule());
  await answer('Property Set');
  return {
    async keepAlive() {
      commandId = commandId === 0xfffe ? 3 : commandId + 1;
      socket.write(keepAliveCapsule(commandId));
      await answer('Keep Alive');
    },
    close: () => socket.destroy(),
  };
}
