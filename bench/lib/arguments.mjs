// Command lines of the benches: what is wrong with one is a UsageError, one clear line and exit status 2.
// `runMain` is how every program here starts. Also the forms of values that they share.

import { parseArgs } from 'node:util';
import { stopAll } from './child.mjs';

/** The user gave something that cannot be done; nothing was measured. */
export class UsageError extends Error {}

/** { values, positionals } of parseArgs, whose complaints are made one line. */
export function readArguments(words, options, positionalsAllowed = false) {
  try {
    const { values, positionals } = parseArgs({
      args: words,
      options: { ...options, help: { type: 'boolean', short: 'h', default: false } },
      allowPositionals: positionalsAllowed,
    });
    return { values, positionals };
  } catch (error) {
    if (!String(error.code).startsWith('ERR_PARSE_ARGS')) throw error;
    // "Unknown option '--x'. To specify a positional argument ...": its first sentence.
    const [complaint] = error.message.split(/\n|\. /);
    throw new UsageError(`${complaint.replace(/\.$/, '')} (see --help)`);
  }
}

/** For a program that is one script: its options; --help and what is wrong with them end it. */
export function optionsOrExit(name, options, help) {
  try {
    const { values } = readArguments(process.argv.slice(2), options);
    if (!values.help) return values;
    console.log(help);
    return process.exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${name}: ${error.message}`);
    return process.exit(2);
  }
}

/**
 * Runs `main(words)`. Exit status: what it returns (0 when nothing), 2 after a UsageError, 1 after any other.
 */
export async function runMain(name, main) {
  let code;
  try {
    code = (await main(process.argv.slice(2))) ?? 0;
  } catch (error) {
    const usage = error instanceof UsageError;
    console.error(`${name}: ${usage ? error.message : (error.stack ?? error)}`);
    code = usage ? 2 : 1;
  }
  await stopAll(); // after an error nobody else does
  process.exit(code);
}

export function parsePositive(option, text) {
  if (!/^\d{1,6}(\.\d{1,3})?$/.test(text) || !(Number(text) > 0))
    throw new UsageError(`--${option} takes a number above 0, not '${text}'`);
  return Number(text);
}

export function parseCount(option, text, min, max) {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new UsageError(`--${option} takes a whole number from ${min} to ${max}, not '${text}'`);
  return value;
}

const unitBytes = { '': 1, k: 1 << 10, m: 1 << 20 };

/** Bytes of one I/O: 4096, 4k, 1M. */
export function parseBlockBytes(option, text) {
  const match = /^(\d{1,8})([km]?)(?:ib)?$/i.exec(text);
  const bytes = match === null ? 0 : Number(match[1]) * unitBytes[match[2].toLowerCase()];
  if (!(bytes >= 512 && bytes <= 16 << 20 && bytes % 512 === 0))
    throw new UsageError(`--${option} takes multiples of 512 up to 16M, such as 4k, not '${text}'`);
  return bytes;
}

export function parseChoice(option, text, choices) {
  if (!choices.includes(text))
    throw new UsageError(`--${option}: '${text}' is none of ${choices.join(', ')}`);
  return text;
}

/** `parse(option, word)` of each word between commas. */
export function parseList(option, text, parse) {
  return [...new Set(text.split(',').map((word) => parse(option, word.trim())))];
}
