// What a load asked of single blocks, and what it was told: one operation per line, in the form that
// native/history reads (json_lines.h there) and any other checker can.
//
// What must stay true: an operation is taken down before it is issued, with a time of one steady clock, or
// reads would look as if they had returned what nobody wrote.

export type OperationOutcome = 'ok' | 'failed' | 'unknown';

export interface Operation {
  readonly kind: 'read' | 'write';
  readonly block: number;
  /** Written: unique among the writes of its block, above 0. Read: 0n are zeroes; no meaning unless ok. */
  value: bigint;
  readonly startNs: bigint;
  endNs?: bigint;
  outcome: OperationOutcome;
  /** Whom it went through, for people. */
  readonly path: string;
}

export class History {
  readonly operations: Operation[] = [];

  begin(kind: Operation['kind'], block: number, value: bigint, path: string): Operation {
    const startNs = process.hrtime.bigint();
    const operation: Operation = { kind, block, value, startNs, outcome: 'unknown', path };
    this.operations.push(operation);
    return operation;
  }

  end(operation: Operation, outcome: OperationOutcome, value = operation.value): void {
    operation.endNs = process.hrtime.bigint();
    operation.outcome = outcome;
    operation.value = value;
  }

  *lines(): Generator<string> {
    for (const operation of this.operations) yield line(operation);
  }

  bytes(): Buffer {
    return Buffer.concat([...this.lines()].map((text) => Buffer.from(text)));
  }
}

// By hand: JSON.stringify() knows no BigInt, and times are above 2^53.
function line({ kind, block, value, startNs, endNs, outcome, path }: Operation): string {
  const told = kind === 'read' && outcome !== 'ok' ? 'null' : value.toString();
  const end = endNs === undefined ? 'null' : endNs.toString();
  return (
    `{"op":"${kind}","block":${block},"value":${told},"start":${startNs},"end":${end},` +
    `"outcome":"${outcome}","path":${JSON.stringify(path)}}\n`
  );
}
