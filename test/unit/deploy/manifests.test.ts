import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseMutableParameters } from '../../../src/csi/mutable-parameters.js';
import { parseParameters } from '../../../src/csi/parameters.js';
import type { ManifestObject } from '../../../src/manifests/common.js';
import { manifests } from '../../../src/manifests/manifests.js';
import { chartDirectory, chartValues, objectsOf, readYaml, renderChart } from '../../support/chart.js';
import { CliHarness } from '../../support/cli-harness.js';
import { problemsOf } from '../../support/kubernetes-schemas.js';
import { plainOptions, variants } from '../../support/manifest-variants.js';

const required = ['--storage-node', 'storage-1', '--storage-interface', 'eth1'];
const examples = readdirSync('deploy/examples').filter((name) => name.endsWith('.yaml'));
const exampleObjects = examples.map(
  (name) => [name, objectsOf(readFileSync(join('deploy/examples', name), 'utf8'))] as const,
);
let cli: CliHarness;
beforeEach(() => {
  cli = new CliHarness();
});

/** The harness has a version of its own. */
const withVersion = (text: string) => text.replaceAll('1.2.3', plainOptions.version);

describe('ballast manifests', () => {
  it('prints what is in deploy/kubernetes', async () => {
    expect(await cli.run('manifests', ...required)).toBe(0);
    expect(withVersion(cli.stdout.text)).toBe(readFileSync('deploy/kubernetes/ballast.yaml', 'utf8'));
    expect(cli.enginesStarted).toBe(0);
  });

  it('prints the same as JSON', async () => {
    await cli.run('manifests', ...required, '-o', 'json');
    const list = JSON.parse(withVersion(cli.stdout.text)) as {
      kind: string;
      items: readonly ManifestObject[];
    };
    expect(list.kind).toBe('List');
    expect(list.items).toEqual(objectsOf(readFileSync('deploy/kubernetes/ballast.yaml', 'utf8')));
  });

  it.each([
    ['neither node nor interface', []],
    ['a node that is no name', ['--storage-node', 'A B', '--storage-interface', 'eth1']],
    ['an interface with a space', ['--storage-node', 'a', '--storage-interface', 'eth 1']],
    ['a namespace with a dot', [...required, '--namespace', 'a.b']],
    ['an image that would be a flag', [...required, '--image', '--privileged']],
    ['a relative directory', [...required, '--data-dir', 'var']],
    ['keys within the data directory', [...required, '--key-dir', '/var/lib/ballast/keys']],
    ['an API without a token', [...required, '--api-url', 'https://a:1']],
    ['an API with a password in it', [...required, '--api-url', 'https://a:b@c', '--token-secret', 's']],
    ['a cluster without disks', [...required, '--controller-address', '10.0.0.1']],
    [
      'a controller at a name',
      [...required, '--controller-address', 'storage-1', '--ensure-pool', 'p=/dev/sdb'],
    ],
    [
      'a pool of no path',
      [...required, '--controller-address', '10.0.0.1', '--ensure-pool', 'p=sdb; reboot'],
    ],
    [
      'agents within the data directory',
      [
        ...[...required, '--controller-address', '10.0.0.1', '--ensure-pool', 'p=/dev/sdb'],
        ...['--node-dir', '/var/lib/ballast/node'],
      ],
    ],
    ['zones without a cluster', [...required, '--zone-key', 'topology.kubernetes.io/zone']],
    [
      'zones that nodes cannot ask for',
      [
        ...[...required, '--controller-address', '10.0.0.1', '--ensure-pool', 'p=/dev/sdb'],
        ...['--zone-key', 'topology.kubernetes.io/zone'],
      ],
    ],
    ['monitors without metrics', [...required, '--monitors']],
    ['groups without snapshots', [...required, '--no-snapshots', '--group-snapshots']],
    ['changed blocks without a certificate', [...required, '--snapshot-metadata-secret', 's']],
    [
      'a certificate that is none',
      [...required, '--snapshot-metadata-secret', 's', '--snapshot-metadata-ca', 'package.json'],
    ],
  ])('refuses %s', async (_what, argv) => {
    expect(await cli.run('manifests', ...argv)).toBe(2);
    expect(cli.stdout.text).toBe('');
    expect(cli.stderr.text).not.toBe('');
  });
});

describe('every object is one that Kubernetes takes', () => {
  it.each(variants)('of ballast manifests: $name', ({ options }) => {
    expect(manifests(options).flatMap((object) => problemsOf(object))).toEqual([]);
  });

  it.each(variants)('of the chart: $name', ({ values }) => {
    const objects = renderChart(chartValues(values)) as readonly ManifestObject[];
    expect(objects.flatMap((object) => problemsOf(object))).toEqual([]);
  });

  it.each(exampleObjects)('of the example %s', (_name, objects) => {
    expect(objects.length).toBeGreaterThan(0);
    expect(objects.flatMap((object) => problemsOf(object))).toEqual([]);
  });

  it('and what it does not take is told', () => {
    const [claim] = exampleObjects.find(([name]) => name === 'claim.yaml')?.[1] ?? [];
    expect(problemsOf({ ...claim, spec: { ...(claim as { spec?: object }).spec, acessModes: [] } })).toEqual([
      '/spec: must NOT have additional properties {"additionalProperty":"acessModes"}',
    ]);
    expect(problemsOf({ ...claim, kind: 'PersistentVolume' })).toHaveLength(1);
  });
});

describe('what the driver is told', () => {
  const everything = [
    ...variants.flatMap(({ options }) => manifests(options)),
    ...exampleObjects.flatMap(([, objects]) => objects),
  ] as readonly (ManifestObject & { readonly parameters?: Readonly<Record<string, string>> })[];

  it.each(['StorageClass', 'VolumeAttributesClass'])('parameters of a %s are ones that it knows', (kind) => {
    const check = kind === 'StorageClass' ? parseParameters : parseMutableParameters;
    const classes = everything.filter((object) => object.kind === kind);
    expect(classes.length).toBeGreaterThan(1);
    for (const { parameters = {} } of classes) check(parameters);
  });

  it('classes that examples name are there', () => {
    const there = everything
      .filter(({ kind }) => kind.endsWith('Class'))
      .map(({ metadata }) => metadata.name);
    const text = examples.map((name) => readFileSync(join('deploy/examples', name), 'utf8')).join('\n');
    const named = [
      ...text.matchAll(/(?:storage|volumeAttributes|volumeSnapshot|volumeGroupSnapshot)ClassName: (\S+)/g),
    ];
    expect(named.length).toBeGreaterThan(8);
    for (const [, name] of named) expect(there).toContain(name);
  });

  it('a token is a file, and no secret is an argument or a variable', () => {
    const text = JSON.stringify(manifests(variants[1]!.options));
    expect(text).toContain('"--token-file=/var/run/secrets/ballast/token"');
    expect(text).not.toContain('secretKeyRef');
    expect(text.match(/"secretName":"[^"]*"/g)).toEqual([
      '"secretName":"ballast-metadata"',
      '"secretName":"ballast-api"',
    ]);
  });

  it('the token that nodes join with is a file, of the pod that joins alone', () => {
    const cluster = manifests(variants.find(({ name }) => name === 'a cluster')!.options);
    const holders = cluster.filter((object) => JSON.stringify(object).includes('ballast-join'));
    expect(holders.map(({ metadata }) => metadata.name)).toEqual(['ballast-storage']);
    const text = JSON.stringify(holders);
    expect(text).toContain('"secretName":"ballast-join"');
    expect(text.match(/"mountPath":"\/var\/run\/secrets\/ballast-join"/g)).toHaveLength(1);
    expect(text).not.toContain('secretKeyRef');
  });

  it('keys are in no pod but the one that serves volumes', () => {
    const holders = manifests(plainOptions).filter((object) =>
      JSON.stringify(object).includes('ballast-keys'),
    );
    expect(holders.map(({ metadata }) => metadata.name)).toEqual(['ballast-storage']);
  });
});

describe('values of the chart', () => {
  const schema = JSON.parse(readFileSync(join(chartDirectory, 'values.schema.json'), 'utf8')) as object;
  const validate = new Ajv({ strict: false }).compile(schema);

  it.each(variants)('pass their schema: $name', ({ values }) => {
    validate(chartValues(values));
    expect(validate.errors ?? []).toEqual([]);
  });

  it('have no default for what nobody can guess', () => {
    expect(validate(chartValues())).toBe(false);
    expect(validate(chartValues(readYaml(join(chartDirectory, 'ci/example-values.yaml'))))).toBe(true);
  });

  it.each([
    ['a word that is not known', { storage: { node: 'a' } }],
    ['a QoS word that is not known', { volumeAttributesClasses: [{ name: 'a', parameters: { iop: '1' } }] }],
    [
      'a number where the class has text',
      { volumeAttributesClasses: [{ name: 'a', parameters: { iops: 1 } }] },
    ],
    ['an API without a token', { node: { api: { url: 'https://a:1' } } }],
    ['changed blocks without a certificate', { snapshotMetadata: { enabled: true } }],
    ['a cluster without an address', { cluster: { enabled: true, pool: 'p=/dev/sdb' } }],
    ['a cluster without disks', { cluster: { enabled: true, controllerAddress: '10.0.0.1' } }],
    [
      'zones that nodes cannot ask for',
      {
        cluster: {
          ...{ enabled: true, controllerAddress: '10.0.0.1', pool: 'p=/dev/sdb' },
          zoneKey: 'topology.kubernetes.io/zone',
        },
      },
    ],
    [
      'a pool that a shell would read',
      { cluster: { enabled: true, controllerAddress: '10.0.0.1', pool: 'p=/dev/sdb; reboot' } },
    ],
  ])('refuse %s', (_what, values) => {
    expect(validate(chartValues(variants[0]!.values, values))).toBe(false);
  });

  it('are each explained, or plain from their names', () => {
    const lines = readFileSync(join(chartDirectory, 'values.yaml'), 'utf8').split('\n');
    expect(lines.filter((line) => line.includes('# -- ')).length).toBeGreaterThan(20);
  });
});
