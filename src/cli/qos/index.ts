// `ballast qos ...`: classes, the budget, and what limits do to volumes. Loaded when one is asked for.
import type { Command } from 'commander';
import { InvalidArgumentError } from '../../base/errors.js';
import { parseQosNumber } from '../../base/qos.js';
import type { QosBudgetBody, QosClassBody, VolumeBody } from '../../client/api-client.js';
import { addDaemonOptions, type DaemonOptions, daemonOf } from '../daemon.js';
import type { CliContext } from '../engine-port.js';
import { parseInteger } from '../numbers.js';
import { printResult } from '../output.js';
import { type Column, renderFields, renderTable } from '../table.js';
import { addQosOptions, type QosFlags, qosOf } from './options.js';
import { keptText, qosText, throttledText } from './render.js';

export function register(qos: Command, context: CliContext): void {
  registerShow(qos, context);
  registerClass(qos.command('class').description('limits that volumes share by name'), context);
  registerBudget(qos.command('budget').description('what all volumes can have together'), context);
}

const volumeColumns: readonly Column<VolumeBody>[] = [
  { title: 'volume', value: ({ name }) => name },
  { title: 'limits', value: ({ qos }) => qosText(qos ?? {}) },
  { title: 'throttled', value: ({ qosCounters }) => (qosCounters ? throttledText(qosCounters) : '-') },
  { title: 'guarantee kept', value: ({ qosCounters }) => (qosCounters ? keptText(qosCounters) : '-') },
];

function registerShow(qos: Command, context: CliContext): void {
  addDaemonOptions(qos.command('show').description('limits of all volumes and what came of them')).action(
    async (options: DaemonOptions) => {
      const volumes = await (await daemonOf(context, options)).volumes();
      const shown = volumes.map(({ name, uuid, qos: limits, qosCounters }) => ({
        name,
        uuid,
        qos: limits ?? {},
        ...(qosCounters && { qosCounters }),
      }));
      await printResult(context, options.output, { volumes: shown }, (color) =>
        renderTable(volumeColumns, volumes, color),
      );
    },
  );
}

const classColumns: readonly Column<QosClassBody>[] = [
  { title: 'class', value: ({ name }) => name },
  { title: 'limits', value: ({ qos }) => qosText(qos) },
  { title: 'kind', value: ({ builtIn }) => (builtIn ? 'built in' : 'own') },
];

function registerClass(command: Command, context: CliContext): void {
  addDaemonOptions(command.command('list').description('show all classes')).action(
    async (options: DaemonOptions) => {
      const classes = await (await daemonOf(context, options)).qosClasses();
      await printResult(context, options.output, { classes }, (color) =>
        renderTable(classColumns, classes, color),
      );
    },
  );
  const set = addDaemonOptions(command.command('set').description('make a class, or change it live'));
  addQosOptions(set, { withClass: false })
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions & QosFlags) => {
      const made = await (await daemonOf(context, options)).putQosClass(name, qosOf(options) ?? {});
      await printResult(context, options.output, made, (color) => renderTable(classColumns, [made], color));
    });
  addDaemonOptions(command.command('delete').description('delete a class that no volume is of'))
    .argument('<name>')
    .action(async (name: string, options: DaemonOptions) => {
      await (await daemonOf(context, options)).deleteQosClass(name);
      await printResult(context, options.output, { deleted: name }, () => `class ${name} is gone\n`);
    });
}

interface BudgetOptions extends DaemonOptions {
  readonly depth?: string;
  readonly force?: boolean;
}

function registerBudget(command: Command, context: CliContext): void {
  addDaemonOptions(command.command('show').description('the budget and what is guaranteed of it')).action(
    async (options: DaemonOptions) =>
      printBudget(context, options, await (await daemonOf(context, options)).qosBudget()),
  );
  addDaemonOptions(command.command('set').description('set the budget; 0 takes it away'))
    .argument('<iops>')
    .option('--depth <n>', 'I/Os in the devices at a time (default: a millisecond of the budget)')
    .option('--force', 'also below what is guaranteed: that is not kept then')
    .action(async (iops: string, options: BudgetOptions) => {
      const budget = { iops: parseQosNumber('iops', iops) };
      const depth =
        options.depth === undefined ? {} : { depth: parseInteger('depth', options.depth, 1, 65_536) };
      if (budget.iops === 0 && options.depth !== undefined) {
        throw new InvalidArgumentError('depth', 'nothing, where there is no budget');
      }
      const force = options.force === true ? { force: true } : {};
      const set = await (await daemonOf(context, options)).setQosBudget({ ...budget, ...depth, ...force });
      await printBudget(context, options, set);
    });
}

function printBudget(context: CliContext, options: DaemonOptions, budget: QosBudgetBody): Promise<void> {
  const { iops, depth, guaranteedIops } = budget;
  return printResult(context, options.output, budget, (color) =>
    renderFields(
      [
        ['budget', iops === 0 ? 'none' : `${iops} IOPS`],
        ['depth', depth ? String(depth) : 'a millisecond of it'],
        ['guaranteed', `${guaranteedIops} IOPS`],
      ],
      color,
    ),
  );
}
