// Text of a caller as it may stand in a log line, on a terminal or in an error: everything but printable
// ASCII is written as an escape, and what is too long is cut. Called wherever such text leaves this process.

export function printable(text: string, charactersMax = 128): string {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}...` : text;
  return cut.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
