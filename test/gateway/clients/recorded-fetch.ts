/** Node's own fetch, and the statuses of what came back: one for each request that a client made. */
export interface RecordedFetch {
  readonly fetch: typeof fetch;
  readonly statuses: number[];
  /** Between an answer and the next request, in milliseconds. */
  readonly pausesMs: number[];
}

export function recordFetch(): RecordedFetch {
  const statuses: number[] = [];
  const pausesMs: number[] = [];
  let answeredAtMs: number | null = null;
  return {
    statuses,
    pausesMs,
    fetch: async (input, init) => {
      if (answeredAtMs !== null) pausesMs.push(performance.now() - answeredAtMs);
      const response = await fetch(input, init);
      statuses.push(response.status);
      answeredAtMs = performance.now();
      return response;
    },
  };
}
