// A client of the REST API for tests: by TCP with a token, or by the Unix socket without.
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';

export interface ApiAnswer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  // Tests say what they expect of it.
  // biome-ignore lint/suspicious/noExplicitAny: the body of any route
  readonly body: any;
}

export interface ApiCall {
  readonly method?: string;
  readonly token?: string;
  readonly payload?: unknown;
}

/** `base`: http://HOST:PORT, or unix:PATH. */
export async function callApi(base: string, path: string, call: ApiCall = {}): Promise<ApiAnswer> {
  const { method = 'GET', token, payload } = call;
  const where = base.startsWith('unix:') ? { socketPath: base.slice(5) } : urlOf(base);
  const headers = {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(payload !== undefined && { 'content-type': 'application/json' }),
  };
  const request = httpRequest({ ...where, path, method, headers, agent: false });
  request.end(payload === undefined ? undefined : JSON.stringify(payload));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  const isJson = response.headers['content-type']?.startsWith('application/json') === true;
  const body = text === '' ? undefined : isJson ? JSON.parse(text) : text;
  return { status: response.statusCode, headers: response.headers, body };
}

function urlOf(base: string): { host: string; port: string } {
  const { hostname, port } = new URL(base);
  return { host: hostname, port };
}
