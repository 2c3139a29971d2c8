import { errorMessage } from '../../contract/failures';

export type CheckOutcome =
  | { readonly status: 'ok'; readonly detail: string; readonly advice?: string }
  /** `advice`: what to do about it. */
  | { readonly status: 'failed'; readonly detail: string; readonly advice: string }
  /** Not in use here. */
  | { readonly status: 'skipped'; readonly detail: string; readonly advice?: string };

export interface Check {
  readonly name: string;
  /** May throw: that is a failure with the error's message. */
  readonly run: () => Promise<CheckOutcome> | CheckOutcome;
  /** For what is thrown. */
  readonly advice: string;
}

export type CheckResult = CheckOutcome & { readonly name: string };

/** The checks have limits of their own, of some 10 s; this one is for what they do not cover, name resolution for one. */
const timeLimitMs = 15_000;

/** All at once; the results are in the order of the checks. Never rejects. */
export function runChecks(checks: readonly Check[]): Promise<readonly CheckResult[]> {
  return Promise.all(checks.map(runCheck));
}

async function runCheck({ name, run, advice }: Check): Promise<CheckResult> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<CheckOutcome>((resolve) => {
    const detail = `no answer within ${timeLimitMs / 1000} s`;
    timer = setTimeout(() => resolve({ status: 'failed', detail, advice }), timeLimitMs);
  });
  try {
    return { name, ...(await Promise.race([run(), tooLate])) };
  } catch (error) {
    return { name, status: 'failed', detail: errorMessage(error), advice };
  } finally {
    clearTimeout(timer);
  }
}
