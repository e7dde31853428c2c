// A list of ten thousand as an answer, sent while it is made: for the event loop see base/sliced-text.ts.
import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { inSlices, jsonWithList } from '../base/sliced-text.js';

/** A JSON object of `head` and the list. To be returned by the handler; the items are asked for later. */
export function sendList(reply: FastifyReply, head: object, name: string, items: Iterable<unknown>): never {
  const parts = Readable.from(inSlices(jsonWithList(head, name, items)));
  // fastify's types know a body by its schema only, and this one is its text.
  return reply.type('application/json').send(parts) as never;
}
