// What the store keeps as JSON, as fields that nobody has looked at yet.
export type Fields = Readonly<Record<string, unknown>>;

/** Undefined: no JSON, or not an object. */
export function parseFields(value: Uint8Array): Fields | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(value).toString('utf8'));
    return isFields(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
