// The part of Kubernetes: which calls a volume gets, in which order, and the directories that kubelet makes.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, makeClientConstructor, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const proto = fileURLToPath(new URL('../../proto/csi.proto', import.meta.url));
const callMsMax = 300_000;

export class Orchestrator {
  #clients;
  #kubelet;
  #node = '';
  #volumes = new Map();
  #snapshots = new Map();
  /** Names of what is used on the node, in order. */
  #used = new Map();

  constructor(socket, kubelet) {
    const loaded = loadSync(proto, { longs: String, enums: String, defaults: true, oneofs: true });
    const client = (service) => {
      const Client = makeClientConstructor(loaded[`csi.v1.${service}`], service);
      return new Client(`unix:${socket}`, credentials.createInsecure());
    };
    this.#clients = Object.fromEntries(
      ['Identity', 'Controller', 'Node'].map((name) => [name, client(name)]),
    );
    this.#kubelet = kubelet;
  }

  close() {
    for (const client of Object.values(this.#clients)) client.close();
  }

  identity(method) {
    return this.#call('Identity', method, {});
  }

  async learnNode() {
    const info = await this.#call('Node', 'NodeGetInfo', {});
    this.#node = info.nodeId;
    return info;
  }

  target(name) {
    return join(this.#kubelet, 'pods', name, 'mount');
  }

  #staging(name) {
    return join(this.#kubelet, 'plugins', name);
  }

  async create(name, sizeBytes, { snapshot, volume } = {}) {
    const source = snapshot
      ? { snapshot: { snapshotId: this.#snapshots.get(snapshot) } }
      : volume && { volume: { volumeId: this.#volumes.get(volume) } };
    const { volume: made } = await this.#call('Controller', 'CreateVolume', {
      name,
      capacityRange: { requiredBytes: String(sizeBytes) },
      volumeCapabilities: [capabilityOf({})],
      ...(source && { volumeContentSource: source }),
    });
    this.#volumes.set(name, made.volumeId);
    return made;
  }

  async snapshot(volume, name) {
    const request = { sourceVolumeId: this.#volumes.get(volume), name };
    const { snapshot } = await this.#call('Controller', 'CreateSnapshot', request);
    this.#snapshots.set(name, snapshot.snapshotId);
    return snapshot;
  }

  async use(name, how = {}) {
    const volumeId = this.#volumes.get(name);
    const volumeCapability = capabilityOf(how);
    const { publishContext } = await this.#call('Controller', 'ControllerPublishVolume', {
      volumeId,
      nodeId: this.#node,
      volumeCapability,
    });
    this.#used.set(name, volumeCapability);
    const stagingTargetPath = this.#staging(name);
    mkdirSync(stagingTargetPath, { recursive: true });
    mkdirSync(join(this.#kubelet, 'pods', name), { recursive: true });
    const request = { volumeId, publishContext, stagingTargetPath, volumeCapability };
    await this.#call('Node', 'NodeStageVolume', request);
    await this.#call('Node', 'NodePublishVolume', { ...request, targetPath: this.target(name) });
  }

  async expand(name, sizeBytes) {
    const volumeId = this.#volumes.get(name);
    const capacityRange = { requiredBytes: String(sizeBytes) };
    const volumeCapability = this.#used.get(name);
    const grown = await this.#call('Controller', 'ControllerExpandVolume', {
      volumeId,
      capacityRange,
      volumeCapability,
    });
    if (!grown.nodeExpansionRequired) throw new Error('the node is not to follow');
    const request = { volumeId, volumePath: this.target(name), capacityRange, volumeCapability };
    await this.#call('Node', 'NodeExpandVolume', { ...request, stagingTargetPath: this.#staging(name) });
  }

  async modify(name, mutableParameters) {
    const request = { volumeId: this.#volumes.get(name), mutableParameters };
    await this.#call('Controller', 'ControllerModifyVolume', request);
  }

  stats(name) {
    const request = { volumeId: this.#volumes.get(name), volumePath: this.target(name) };
    return this.#call('Node', 'NodeGetVolumeStats', request);
  }

  async useEphemeral(name, size) {
    mkdirSync(join(this.#kubelet, 'pods', name), { recursive: true });
    await this.#call('Node', 'NodePublishVolume', {
      volumeId: `csi-${name}`,
      targetPath: this.target(name),
      volumeCapability: capabilityOf({ mode: 'SINGLE_NODE_WRITER' }),
      volumeContext: { 'csi.storage.k8s.io/ephemeral': 'true', size },
    });
  }

  async endEphemeral(name) {
    await this.#call('Node', 'NodeUnpublishVolume', {
      volumeId: `csi-${name}`,
      targetPath: this.target(name),
    });
  }

  async unuseAll() {
    for (const name of this.#used.keys()) {
      const volumeId = this.#volumes.get(name);
      await this.#call('Node', 'NodeUnpublishVolume', { volumeId, targetPath: this.target(name) });
      await this.#call('Node', 'NodeUnstageVolume', { volumeId, stagingTargetPath: this.#staging(name) });
      await this.#call('Controller', 'ControllerUnpublishVolume', { volumeId, nodeId: this.#node });
    }
  }

  async deleteAll() {
    for (const snapshotId of this.#snapshots.values())
      await this.#call('Controller', 'DeleteSnapshot', { snapshotId });
    for (const volumeId of this.#volumes.values())
      await this.#call('Controller', 'DeleteVolume', { volumeId });
  }

  async leftVolumes() {
    const { entries } = await this.#call('Controller', 'ListVolumes', {});
    return entries.map(({ volume }) => `volume ${volume.volumeId}`);
  }

  #call(service, method, request) {
    const client = this.#clients[service];
    return new Promise((resolve, reject) => {
      client[method](request, { deadline: Date.now() + callMsMax }, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(new Error(`${method}: ${status[error.code]}: ${error.details}`));
      });
    });
  }
}

function capabilityOf({ fsType = '', block = false, mode = 'SINGLE_NODE_MULTI_WRITER' }) {
  return { ...(block ? { block: {} } : { mount: { fsType } }), accessMode: { mode } };
}
