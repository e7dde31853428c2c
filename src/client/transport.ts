// One request to the daemon and its answer as JSON. A connection for each: commands ask little. Bounded in
// time until the daemon answers (unless what is asked may take long) and in size.
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { UnreachableError } from '../base/errors.js';
import { describeEndpoint, type Endpoint } from './endpoint.js';
import { RemoteError } from './remote-error.js';

export const answerBytesMax = 256 << 20; // ten thousand volumes are 5 MiB
export const answerMsMax = 60_000;

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query, without /v1/. */
  readonly path: string;
  readonly body?: object;
  /** Infinity: it may overwrite terabytes. */
  readonly timeoutMs?: number;
}

export async function ask(endpoint: Endpoint, request: Request): Promise<unknown> {
  const where = describeEndpoint(endpoint);
  const { status, text } = await exchange(endpoint, request).catch((cause: NodeJS.ErrnoException) => {
    throw cause instanceof UnreachableError ? cause : new UnreachableError(where, reasonOf(cause), { cause });
  });
  const body = parse(text);
  if (status >= 200 && status < 300) {
    if (body !== undefined || text === '') return body;
    throw new UnreachableError(where, `answered ${status} without JSON; is it a Ballast daemon?`);
  }
  const { code, message, details } = (body ?? {}) as Partial<Record<'code' | 'message' | 'details', unknown>>;
  if (typeof code === 'string' && typeof message === 'string') {
    throw new RemoteError(code, message, status, (details ?? {}) as Record<string, unknown>);
  }
  throw new UnreachableError(where, `answered ${status} in a way of its own; is it a Ballast daemon?`);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function exchange(
  endpoint: Endpoint,
  { method, path, body, timeoutMs = answerMsMax }: Request,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const options: RequestOptions = {
      method,
      path: `/v1/${path}`,
      agent: false,
      headers: {
        accept: 'application/json',
        ...(payload && { 'content-type': 'application/json', 'content-length': payload.length }),
        ...('url' in endpoint && { authorization: `Bearer ${endpoint.token}` }),
      },
    };
    const onAnswer = (response: IncomingMessage) => void collect(response).then(resolve, reject);
    const request =
      'url' in endpoint
        ? (endpoint.url.protocol === 'https:' ? requestHttps : requestHttp)(endpoint.url, options, onAnswer)
        : requestHttp({ ...options, socketPath: endpoint.socketPath }, onAnswer);
    request.on('error', reject);
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      const late = `did not answer in ${timeoutMs / 1000} s`;
      const timer = setTimeout(
        () => request.destroy(new UnreachableError(describeEndpoint(endpoint), late)),
        timeoutMs,
      );
      request.on('close', () => clearTimeout(timer));
    }
    request.end(payload);
  });
}

async function collect(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new Error(`answered more than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return 'no daemon answers there; `ballast serve` starts one, --data or --api name another';
    case 'EACCES':
    case 'EPERM':
      return 'may not be opened by this user; --api with a token is the other way';
    case 'ECONNRESET':
      return 'the connection was lost before the answer came; whether it was done is not known';
    default:
      return code ?? message;
  }
}
