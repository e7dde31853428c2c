import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { readable } from '../../../src/base/log.js';

describe('readable', () => {
  it('shows time, level, room, text and further fields in one line', () => {
    let out = '';
    const log = pino(
      { base: null, timestamp: () => ',"time":"2026-11-22T12:01:02.123Z"' },
      readable({ write: (text) => (out += text) }),
    );
    log.warn({ room: 'target', nqn: 'nqn.x', count: 2 }, 'a host left');
    expect(out).toBe('12:01:02.123 warn  target: a host left nqn=nqn.x count=2\n');
  });
});
