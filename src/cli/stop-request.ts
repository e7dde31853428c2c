// SIGTERM or SIGINT ends what serves, a second one ends it at once.
import type { CliContext } from './engine-port.js';

export interface StopRequest {
  /** The name of the signal. */
  readonly requested: Promise<string>;
  forget(): void;
}

export function stopRequest(context: CliContext): StopRequest {
  let forget: () => void = () => undefined;
  const requested = new Promise<string>((resolve) => {
    let count = 0;
    forget = context.onStopSignal((name) => {
      count += 1;
      if (count > 1) context.exitNow(1);
      resolve(name);
    });
  });
  return { requested, forget: () => forget() };
}
