// The program's log: JSON lines on stderr, or one readable line each when stderr is a terminal. stdout is for
// results.
import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type Log = Logger;
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

// Nobody logs secrets; should somebody log a whole request or a whole token, they do not come out.
const secrets = ['authorization', 'token', 'secret', 'password'];
export const redact = {
  paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
  censor: '[removed]',
};

export function createLog(level: LogLevel, terminal: boolean = process.stderr.isTTY === true): Log {
  const stderr = destination({ dest: 2, sync: true }); // sync: a line written before a crash is seen
  return pino(
    { level, base: null, redact, timestamp: () => `,"time":"${new Date().toISOString()}"` },
    terminal ? readable(stderr) : stderr,
  );
}

/** Turns each JSON line into `12:01:02.123 warn  target: text key=value`. */
export function readable(out: { write(text: string): unknown }): DestinationStream {
  return { write: (line: string) => void out.write(`${formatLine(line)}\n`) };
}

function formatLine(line: string): string {
  const { level, time, room, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 23);
  const name = (pino.levels.labels[Number(level)] ?? 'info').padEnd(5);
  const where = room === undefined ? '' : `${String(room)}: `;
  const fields = Object.entries(rest).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return `${clock} ${name} ${where}${String(msg ?? '')}${fields.join('')}`;
}
