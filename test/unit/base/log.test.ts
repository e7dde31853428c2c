import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { readable, redact } from '../../../src/base/log.js';

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

describe('the log', () => {
  it('lets no secret through that stands under its name', () => {
    const lines: string[] = [];
    const log = pino({ redact }, { write: (line: string) => void lines.push(line) });
    log.info({
      token: 'hidden',
      req: { headers: { authorization: 'hidden' } },
      made: { token: 'hidden' },
      name: 'x',
    });
    expect(lines.join()).not.toContain('hidden');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ token: '[removed]', name: 'x' });
  });
});
