// A message as it may be logged. What a caller puts into a map may be a secret whatever the map is called, so
// the content of every map is left out, and of the fields that the owner of the interface names. Of bytes
// there is their number.
import { printable } from './printable.js';

const elementsMax = 16;

export function redacted(message: unknown, hidden: ReadonlySet<string>): unknown {
  if (typeof message === 'string') return printable(message);
  if (Array.isArray(message)) {
    const shown = message.slice(0, elementsMax).map((element) => redacted(element, hidden));
    return message.length > elementsMax ? [...shown, `and ${message.length - elementsMax} more`] : shown;
  }
  if (typeof message !== 'object' || message === null) return message;
  if (ArrayBuffer.isView(message)) return `[${message.byteLength} bytes]`;
  return Object.fromEntries(
    Object.entries(message)
      .filter(([, value]) => !isAbsent(value))
      .map(([key, value]) => [key, hidden.has(key) ? hiddenText(value) : redacted(value, hidden)]),
  );
}

function hiddenText(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes removed]`;
  const count = typeof value === 'object' && value !== null ? Object.keys(value).length : 1;
  return `[${count} removed]`;
}

/** What is not in the message: it would only make the line longer. */
function isAbsent(value: unknown): boolean {
  if (ArrayBuffer.isView(value)) return value.byteLength === 0;
  if (value === null || value === undefined || value === '' || value === 0 || value === '0') return true;
  return value === false || (typeof value === 'object' && Object.keys(value).length === 0);
}
