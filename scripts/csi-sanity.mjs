// Runs the conformance test of the Container Storage Interface, csi-sanity, against a daemon and a driver of
// ours: npm run test:csi-sanity [-- options of csi-sanity, such as --ginkgo.focus=Snapshot]. It needs Go, to
// build it, and root, to mount. Without them it says so and succeeds: `npm test` has cases of our own under
// the same names. Prints what failed and what was skipped and why, and exits as csi-sanity did.
import { spawn, spawnSync } from 'node:child_process';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const module = 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@latest';
const bin = resolve('build/csi-sanity');
const program = join(bin, 'csi-sanity');
const readyMsMax = 60_000;
const runMsMax = 900_000;
/** What a VolumeAttributesClass may ask for: the cases of ControllerModifyVolume use it. */
const mutableParameters = 'iops: "50000"\nreadThroughput: "500"\nweight: "200"\n';

function skip(why) {
  console.log(`test:csi-sanity: SKIPPED: ${why}. Nothing was tested.`);
  process.exit(0);
}

function build() {
  const go = spawnSync('go', ['version'], { encoding: 'utf8' });
  if (go.status !== 0) skip('there is no Go to build csi-sanity with');
  const made = spawnSync('go', ['install', module], {
    stdio: 'inherit',
    env: { ...process.env, GOBIN: bin },
  });
  if (made.status === 0) return;
  if (!existsSync(program)) throw new Error(`go install ${module} failed`);
  console.log('test:csi-sanity: no newer csi-sanity can be had; the one that was built before is used');
}

/** Ends what it runs when it is told to stop, and resolves when it has ended. */
class Child {
  constructor(name, args, directory, environment) {
    this.log = join(directory, `${name}.log`);
    this.process = spawn(process.env.BALLAST_PROGRAM ?? 'bin/ballast', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.text = '';
    const file = createWriteStream(this.log);
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (chunk) => {
        this.text += chunk;
        file.write(chunk);
      });
    }
    this.ended = new Promise((done) => this.process.on('close', () => done()));
    this.name = name;
  }

  async until(condition) {
    const late = Date.now() + readyMsMax;
    while (!condition()) {
      const over = this.process.exitCode !== null || this.process.signalCode !== null || Date.now() > late;
      if (over) throw new Error(`${this.name} is not ready:\n${this.tail()}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async stop() {
    this.process.kill('SIGTERM');
    await this.ended;
  }

  tail() {
    return this.text.split('\n').slice(-40).join('\n');
  }
}

async function runSanity(directory, kubelet, socket, more) {
  const report = join(directory, 'report.json');
  const parameters = join(directory, 'mutable.yaml');
  writeFileSync(parameters, mutableParameters);
  // Not spawnSync(): what the daemon and the driver say has to be read meanwhile, or they wait for that.
  const child = spawn(
    program,
    [
      `--csi.endpoint=unix://${socket}`,
      `--csi.mountdir=${join(kubelet, 'mount')}`,
      `--csi.stagingdir=${join(kubelet, 'staging')}`,
      `--csi.testvolumesize=${1 << 30}`,
      `--csi.testvolumeexpandsize=${2 ** 31}`,
      `--csi.testvolumemutableparameters=${parameters}`,
      `--ginkgo.json-report=${report}`,
      '--ginkgo.no-color',
      ...more,
    ],
    { stdio: 'inherit', timeout: runMsMax },
  );
  const status = await new Promise((done) => child.on('close', (code) => done(code ?? 1)));
  return { status, specs: existsSync(report) ? specsOf(report) : [] };
}

function specsOf(report) {
  return JSON.parse(readFileSync(report, 'utf8'))
    .flatMap(({ SpecReports }) => SpecReports ?? [])
    .filter(({ LeafNodeType }) => LeafNodeType === 'It')
    .map(({ ContainerHierarchyTexts, LeafNodeText, State, Failure }) => ({
      name: [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' > '),
      state: State,
      why: Failure?.Message ?? '',
    }));
}

function summarize(specs) {
  const counts = new Map();
  for (const { state } of specs) counts.set(state, (counts.get(state) ?? 0) + 1);
  for (const { name, state, why } of specs) {
    if (state !== 'passed')
      console.log(`${state.padEnd(8)} ${name}${why === '' ? '' : `: ${why.split('\n')[0]}`}`);
  }
  const text = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  console.log(`test:csi-sanity: ${text || 'nothing ran'}`);
}

async function main() {
  build();
  if (process.getuid?.() !== 0) skip('mounting needs root');
  const directory = mkdtempSync(join(tmpdir(), 'ballast-sanity-'));
  const environment = { BALLAST_DATA: join(directory, 'state') };
  const socket = join(directory, 'csi.sock');
  const kubelet = join(directory, 'kubelet');
  mkdirSync(kubelet);
  const children = [];
  let status = 1;
  try {
    const pool = `p=${join(directory, 'disk')}:20GiB`;
    const listen = ['--listen', 'tcp://127.0.0.1:0', '--api-listen', 'off'];
    const daemon = new Child('serve', ['serve', ...listen, '--ensure-pool', pool], directory, environment);
    children.unshift(daemon);
    await daemon.until(() => /^api /m.test(daemon.text));
    const places = ['--kubelet-dir', kubelet, '--attach-dir', join(directory, 'attach')];
    const csi = ['csi', '--mode', 'all', '--endpoint', `unix://${socket}`, '--driver', 'fuse', ...places];
    const driver = new Child('csi', csi, directory, environment);
    children.unshift(driver);
    await driver.until(() => /^ready$/m.test(driver.text));
    const ran = await runSanity(directory, kubelet, socket, process.argv.slice(2));
    summarize(ran.specs);
    status = ran.status;
    if (status !== 0) console.log(`the end of the driver's log:\n${driver.tail()}`);
  } finally {
    for (const child of children) await child.stop();
    const left = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(directory));
    if (left.length > 0) {
      console.log(`test:csi-sanity: mounts are left:\n${left.join('\n')}`);
      status ||= 1;
    } else {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  process.exit(status);
}

await main();
