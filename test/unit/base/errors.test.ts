import { describe, expect, it } from 'vitest';
import * as attachErrors from '../../../src/base/attach-errors.js';
import * as clusterErrors from '../../../src/base/cluster-errors.js';
import * as controlErrors from '../../../src/base/control-errors.js';
import * as drillErrors from '../../../src/base/drill-errors.js';
import * as errors from '../../../src/base/errors.js';
import * as mirrorErrors from '../../../src/base/mirror-errors.js';
import * as poolErrors from '../../../src/base/pool-errors.js';
import * as qosErrors from '../../../src/base/qos-errors.js';
import * as trustErrors from '../../../src/base/trust-errors.js';

const { errorCatalogue, DomainError } = errors;

describe('the error catalogue', () => {
  it('has a class for each code and a code for each class', () => {
    const all = {
      ...errors,
      ...attachErrors,
      ...clusterErrors,
      ...trustErrors,
      ...controlErrors,
      ...drillErrors,
      ...mirrorErrors,
      ...poolErrors,
      ...qosErrors,
    };
    const classes = Object.values(all).filter(
      (value): value is typeof errors.ClosedError =>
        typeof value === 'function' && value.prototype instanceof DomainError,
    );
    const samples: Record<string, unknown> = {
      NvmeStatusError: { statusCode: 0, statusCodeType: 0, name: '' },
      NoPlacementError: [],
    };
    const codes = classes.map((type) => {
      const status = samples[type.name];
      return Reflect.construct(type, ['x', status ?? 'y', 'z']).code as string;
    });
    expect(codes.sort()).toEqual(Object.keys(errorCatalogue).sort());
  });

  it('is the page docs/operations/error-codes.md (written anew by vitest -u)', async () => {
    const rows = Object.entries(errorCatalogue).map(([code, text]) => `| \`${code}\` | ${text} |`);
    const page = [
      '# Error codes',
      '',
      'Made from `src/base/errors.ts`. Exit codes of the command line: `src/cli/exit-codes.ts`.',
      '',
      '| Code | Meaning |',
      '|---|---|',
      ...rows,
      '',
    ].join('\n');
    await expect(page).toMatchFileSnapshot('../../../docs/operations/error-codes.md');
  });

  it('decodes an NVMe status in its message', () => {
    const status = { statusCodeType: 0, statusCode: 0x80, name: 'LBA Out of Range', doNotRetry: true };
    expect(new errors.NvmeStatusError('Read', status).message).toBe('Read: LBA Out of Range (status 0/80h)');
  });
});
