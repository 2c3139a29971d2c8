import type { PageProblem } from '../contract/page';

/** Any answer of the page's server that is not what was asked for. */
export class PageError extends Error {
  override readonly name = 'PageError';

  constructor(
    readonly status: number,
    readonly code: string,
    /** What happened, what it means, what to do next. */
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }

  get problem(): PageProblem {
    return { code: this.code, message: this.message };
  }
}
