// --overcommit and --reserve, of `pool create` and `pool set`: whole percents.
import type { PolicyBody } from '../../client/api-client.js';
import { parseInteger } from '../numbers.js';

export const overcommit = (text: string) => parseInteger('overcommit', text, 0, 1_000_000);
export const reserve = (text: string) => parseInteger('reserve', text, 0, 90);

export function policyOf(options: { readonly overcommit?: number; readonly reserve?: number }): PolicyBody {
  return {
    ...(options.overcommit !== undefined && { overcommitPercent: options.overcommit }),
    ...(options.reserve !== undefined && { reservePercent: options.reserve }),
  };
}
