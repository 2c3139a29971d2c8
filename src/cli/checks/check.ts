import { errorMessage } from '../../contract/failures';

export type CheckOutcome =
  | { readonly status: 'ok'; readonly detail: string; readonly advice?: string }
  /** `advice` says what to do. */
  | { readonly status: 'failed'; readonly detail: string; readonly advice: string }
  /** Not in use here. */
  | { readonly status: 'skipped'; readonly detail: string; readonly advice?: string };

export interface Check {
  readonly name: string;
  /** If it throws, the check fails with the error's message. */
  readonly run: () => Promise<CheckOutcome> | CheckOutcome;
  /** What to do if `run` throws. */
  readonly advice: string;
}

export type CheckResult = CheckOutcome & { readonly name: string };

/** Each check has its own limit of about 10 s; this one covers the rest, such as name resolution. */
const timeLimitMs = 15_000;

/** Runs all checks at once; the results are in the order of the checks. Never rejects. */
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
