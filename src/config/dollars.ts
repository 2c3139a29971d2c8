import { z } from 'zod';

const amountPattern = /^(\d{1,7})(?:\.(\d{1,6}))?$/;
const expectation = 'must be an amount in US dollars with at most 6 decimals, like 0.42 or "0.42"';

/** Exact: the digits are read as written, no floating point in between. */
function toNanoUsd(amount: number | string): number | undefined {
  const match = amountPattern.exec(String(amount));
  if (!match) return undefined;
  return Number(`${match[1]}${(match[2] ?? '').padEnd(9, '0')}`);
}

/** Dollars as a number or a string in the file, integer nano-dollars inside. Up to $9,000,000 a number stays exact. */
export const usdAmount = z
  .union([z.number().min(0).max(1_000_000), z.string().regex(amountPattern, expectation)], { error: expectation })
  .transform((amount, context) => {
    const nanoUsd = toNanoUsd(amount);
    if (nanoUsd === undefined || nanoUsd > 1_000_000e9) {
      context.addIssue({ code: 'custom', message: `${expectation}, up to 1,000,000` });
      return z.NEVER;
    }
    return nanoUsd;
  });
