import type { ConfigFileInput } from './schema';

/**
 * The defaults, from the migration guide, in the format of the file.
 *
 * The guide names the legacy provider's effective rate, $8.40 per 1M tokens, and its CJK multiplier: Asian text costs 3
 * times the English rate. If all text is CJK, the base rate is $2.80, tripled. (Less CJK text at the same effective rate would mean a
 * higher base rate; the guide does not say.)
 */
export const defaultConfig = {
  providers: {
    holysheep: { baseUrl: 'https://api.holysheep.ai/v1', apiKeyEnv: 'HOLYSHEEP_API_KEY' },
    // The guide's legacy provider has no name and no address: LEGACY_BASE_URL says where it is.
    legacy: { apiKeyEnv: 'LEGACY_API_KEY' },
  },
  models: {
    'deepseek-v3.2': { price: '0.42' },
    'gemini-2.5-flash': { price: '2.50' },
    'gpt-4.1': { price: '8.00', cjkMultiplier: 2 },
    'claude-sonnet-4.5': { price: '15.00', cjkMultiplier: 1.5 },
    'legacy-chat': { price: '2.80', cjkMultiplier: 3 },
  },
  arms: {
    // The usual latencies are the averages that the guide reports: 180 ms after the migration, 420 ms before it.
    holysheep: {
      targets: [
        { name: 'holysheep-primary', provider: 'holysheep', model: 'deepseek-v3.2', usualLatencyMs: 180 },
        { name: 'holysheep-fallback', provider: 'holysheep', model: 'gemini-2.5-flash', usualLatencyMs: 280 },
      ],
    },
    legacy: {
      targets: [{ name: 'legacy-primary', provider: 'legacy', model: 'legacy-chat', usualLatencyMs: 420 }],
    },
  },
  defaultArm: 'holysheep',
  budgets: { sessionUsd: '0.50', dayUsd: '100', maxCompletionTokens: 2000 },
  retry: {
    // The guide's: 3 attempts with 10, 20 and 40 s, waits of 1 and 2 s, up to 1 s of jitter on each.
    maxAttemptsPerTarget: 3,
    baseTimeoutMs: 10_000,
    timeoutJitterMs: 1000,
    baseDelayMs: 1000,
    delayJitterMs: 1000,
    // If the provider asks for more, the next target is faster for the person who waits.
    maxRetryAfterMs: 30_000,
    afterSilence: 'retry',
    // Two targets that stay silent through all attempts take up to 152 s, waits included; the rest is reserve.
    turnDeadlineMs: 180_000,
    // A provider that fails 15% of its calls at random still gets all its retries, and an outage adds at most a fifth to
    // the calls. An idle worker has 20 retries at once, which is all that five turns with two targets each can use.
    budgetPercent: 20,
    budgetPerSecond: 2,
  },
  stream: {
    // A healthy provider accepts the request and sends the headers of the stream within a second.
    firstByteMs: 5000,
    // As long as a first attempt without streaming may take for its whole answer.
    firstTokenMs: 10_000,
    // Even slow models send a token every second; after ten seconds of nothing, a reader thinks the answer is broken.
    idleMs: 10_000,
    // 2,000 tokens, the cap, at 17 a second; a third of the turn's deadline is left for another target.
    totalMs: 120_000,
  },
  breaker: {
    // More than the attempts of one turn, so that no turn opens it alone. A target that fails 15% of its calls at random
    // fails eight times in a row once in 3.9 million calls (0.15^8); five in a row would come every 13,000.
    failures: 8,
    // Few probes of a target that is down, but only a third of the 30 s within which a recovered target should be in use
    // again.
    halfOpenAfterMs: 10_000,
  },
  gateway: {
    aliases: [],
    // Ten a second: enough for a busy backend, and it stops a runaway loop before it has spent much.
    requestsPerMinute: 600,
    allowedHosts: [],
    corsOrigins: [],
    onDisconnect: 'continue',
    whileBusy: 'enqueue',
    // A few photos straight from a phone; the strictest large provider accepts no more.
    maxBodyBytes: 20 * 1024 * 1024,
    maxOpenRequests: 4_000,
    maxOpenRequestsOfKey: 100,
    // One container of 1 GB holds the gateway and two of 1 GB hold its workers: a byte of a body takes up to 13 bytes of the
    // gateway's memory and up to 20 of a worker's.
    maxBytesInFlight: 48 * 1024 * 1024,
    // One of the largest bodies, or 20 of the largest texts.
    maxBytesInFlightOfKey: 24 * 1024 * 1024,
  },
  // No temperature: models have their own default, and some reject any. No limit: the model may use the whole hard cap.
  defaults: {},
} as const satisfies ConfigFileInput;

export const providerDefaults = {
  /**
   * A worker runs up to 1,000 first attempts at a time, and a call that waits for a connection spends its time limit
   * on it. Connections are opened as needed: a high number costs an idle worker nothing.
   */
  maxConnections: 1000,
  /** 2,000 tokens are about 10 KB of text; 1 MiB leaves room for any envelope and stays under Temporal's 2 MB payload. */
  maxResponseBytes: 1024 * 1024,
} as const;

/** For a target without this setting: less than 4 s, so its first attempt runs in the workflow task. */
export const defaultUsualLatencyMs = 1000;

/**
 * The most that the models of the default arms can produce, reasoning included; most other models too. If a turn asks
 * for more, that larger number is the limit.
 */
export const defaultMaxOutputTokens = 65_536;
