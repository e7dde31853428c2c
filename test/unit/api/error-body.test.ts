import { describe, expect, it } from 'vitest';
import { answerTo, domainErrorOf } from '../../../src/api/error-body.js';
import { StoreGapError, TooManyRequestsError } from '../../../src/base/control-errors.js';
import { InvalidSizeError } from '../../../src/base/errors.js';

describe('answerTo', () => {
  it('gives the fields of an error as details, without name, code and cause; bigint as text', () => {
    const cause = new Error('inner');
    const error = new InvalidSizeError('5x', 'no unit');
    error.cause = cause;
    expect(answerTo(error)).toEqual({
      status: 400,
      headers: {},
      body: {
        code: 'INVALID_SIZE',
        message: "size '5x': no unit",
        details: { text: '5x', reason: 'no unit' },
      },
    });
    expect(answerTo(new StoreGapError(2n ** 60n, 'gone')).body.details).toMatchObject({
      after: (2n ** 60n).toString(),
    });
    expect(answerTo(new TooManyRequestsError('x', 7)).headers).toEqual({ 'retry-after': '7' });
  });
});

describe('domainErrorOf', () => {
  it('makes everything that is not ours INTERNAL', () => {
    for (const thrown of [new Error('x'), 'text', { statusCode: 500 }, { statusCode: 302 }]) {
      expect(domainErrorOf(thrown, 'id', 1).code).toBe('INTERNAL');
    }
    expect(domainErrorOf({ statusCode: 400, message: 'bad' }, 'id', 1).code).toBe('INVALID_ARGUMENT');
  });

  it.each([
    ['enum', '/a/b', { allowedValues: ['x', 'y'] }, 'a.b: expected one of x, y'],
    ['required', '/a', { missingProperty: 'b' }, 'a.b: expected a value; it is missing'],
    ['minimum', '/size', {}, 'size: expected >= 1'],
  ])('names the field of a complaint: %s', (keyword, instancePath, params, message) => {
    const validation = [{ keyword, instancePath, params, message: 'must be >= 1', schemaPath: '' }];
    const error = domainErrorOf({ validation, validationContext: 'body' }, 'id', 1);
    expect([error.code, error.message]).toEqual(['INVALID_ARGUMENT', message]);
  });
});
