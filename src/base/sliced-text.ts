// Text of many small pieces, such as a list of ten thousand volumes: made a slice at a time, with the event
// loop in between, so that nobody waits for the whole of it. Whoever makes the pieces takes what they tell of
// before, at one moment: others may change it while they have their turn.
import { setImmediate } from 'node:timers/promises';

const sliceCharsMax = 64 * 1024;
const sliceMsMax = 4;

/**
 * Joins the pieces to parts that are worth sending. A piece may be empty: a place to pause in work that makes
 * no text.
 */
export async function* inSlices(pieces: Iterable<string>): AsyncGenerator<string> {
  let text = '';
  await setImmediate(); // whoever is to give the pieces may have worked for them
  let begin = performance.now();
  for (const piece of pieces) {
    text += piece;
    if (text.length < sliceCharsMax && performance.now() - begin < sliceMsMax) continue;
    if (text !== '') yield text;
    text = '';
    await setImmediate();
    begin = performance.now();
  }
  if (text !== '') yield text;
}

/** A JSON object: `head`, and behind it a list of that name, an item at a time. */
export function* jsonWithList(head: object, name: string, items: Iterable<unknown>): Generator<string> {
  const entries = JSON.stringify(head).slice(1, -1);
  yield `{${entries}${entries === '' ? '' : ','}${JSON.stringify(name)}:[`;
  let separator = '';
  for (const item of items) {
    yield `${separator}${JSON.stringify(item)}`;
    separator = ',';
  }
  yield ']}';
}
