// Where a daemon is reached: by its Unix socket, for who may open it, or by HTTP with a token from a file.
// A token never comes from the command line or the environment, where others can read it.
import { open } from 'node:fs/promises';
import { InvalidArgumentError, InvalidUriError } from '../base/errors.js';

export type Endpoint =
  | { readonly socketPath: string }
  | { readonly url: URL; readonly token: string; readonly path?: undefined };

const tokenBytesMax = 1024;

export async function httpEndpoint(address: string, tokenFile: string): Promise<Endpoint> {
  const url = parseUrl(address);
  return { url, token: await readToken(tokenFile) };
}

export function describeEndpoint(endpoint: Endpoint): string {
  return 'url' in endpoint ? endpoint.url.origin : `unix:${endpoint.socketPath}`;
}

function parseUrl(address: string): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new InvalidUriError(address, 'expected http://HOST:PORT or https://HOST:PORT');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new InvalidUriError(address, 'expected http://HOST:PORT or https://HOST:PORT');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new InvalidUriError(address, 'expected nothing but a host and a port; tokens come from a file');
  }
  // As `ballast serve` prints it.
  if (!/^\/(?:v1\/?)?$/.test(url.pathname)) throw new InvalidUriError(address, 'has a path that is not /v1/');
  return url;
}

async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(tokenBytesMax), 0, tokenBytesMax, 0);
      text = buffer.toString('latin1', 0, bytesRead).trim();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new InvalidArgumentError('token-file', `a file with a token; ${path} cannot be read (${code})`);
  }
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new InvalidArgumentError('token-file', `a file with a token; ${path} has none`);
  }
  return text;
}
