import { z } from 'zod';
import { whileBusyPolicies } from '../contract/chat';
import { limits } from '../contract/limits';
import { providerKinds } from '../contract/provider';
import { notificationEvents, notifyFormats } from '../contract/notifications';
import { onDisconnectChoices } from './settings';

const amountPattern = /^(\d{1,7})(?:\.(\d{1,6}))?$/;
const expectation = 'must be an amount in US dollars with at most 6 decimals, like 0.42 or "0.42"';

/** Exact: reads the digits as written, without floating point. */
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

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const nameExpectation = 'must be a name of up to 64 letters, digits, ".", "_" or "-"';

const userId = z
  .string()
  .min(1)
  .max(limits.maxIdLength)
  .refine((id) => id.trim() !== '', 'must name a user');

const name = z.string().regex(namePattern, nameExpectation);

// A provider's own name for a model: `deepseek/deepseek-chat`, `llama3:8b`.
const modelName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}$/, 'must be a model name as the provider spells it');

const hostName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,252}$/, 'must be a host name in lower case, without a port, like chat.example.com');

const milliseconds = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);

export const baseUrlSchema = z
  .url({ protocol: /^https?$/, error: 'must be an http or https address, like https://api.example.com/v1' })
  .refine((address) => !/[@?#]/.test(address), 'must not contain a user name, a password, a query or a fragment');

const providerSchema = z.strictObject({
  kind: z
    .enum(providerKinds)
    .optional()
    .describe('The format in which the provider is called; openai-compatible unless given.'),
  baseUrl: baseUrlSchema
    .optional()
    .describe(
      'Up to and including /v1. HOLYSHEEP_BASE_URL and LEGACY_BASE_URL win over it. Kinds with an address of their own need none.',
    ),
  region: z
    .string()
    .regex(/^[a-z]{2,5}(-[a-z]{2,12}){1,3}-\d{1,2}$/, 'must be the name of an AWS region, like eu-central-1')
    .optional()
    .describe('The AWS region of a provider of the kind bedrock, which needs it or a baseUrl.'),
  apiKeyEnv: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'must be the name of an environment variable in capitals, not a key')
    .optional()
    .describe('Name of the environment variable that holds the key; the same name with _FILE names a file that does.'),
  apiKeyFile: z.string().min(1).optional().describe('A file that holds the key, relative to this file.'),
  maxConnections: z.int().min(1).max(10_000).optional().describe('The most connections to the provider.'),
  maxResponseBytes: z
    .int()
    .min(1024)
    .max(8_388_608)
    .optional()
    .describe('A longer response is an error. So is an answer of more than 1 MiB as JSON, regardless of this limit.'),
  sendTraceparent: z
    .boolean()
    .optional()
    .describe('Sends the traceparent header with each call that is traced; false unless given.'),
});

const priceSchema = z.union([
  usdAmount,
  z.strictObject({
    input: usdAmount,
    output: usdAmount,
    cachedInput: usdAmount.optional(),
    cacheWrite: usdAmount
      .optional()
      .describe(
        "Of prompt tokens that are written to a cache. Unless given, as input, and for Anthropic's kinds 1.25 times that.",
      ),
  }),
]);

const modelSchema = z.strictObject({
  price: priceSchema.describe(
    'US dollars per 1,000,000 tokens: one price for all, or input, output, cachedInput and cacheWrite.',
  ),
  cjkMultiplier: z
    .number()
    .min(1)
    .max(100)
    .refine((multiplier) => Number.isInteger(Math.round(multiplier * 1e6) / 1e4), 'must have at most 2 decimals')
    .optional()
    .describe('Price of Chinese, Japanese and Korean text relative to other text; 1, the default, means no surcharge.'),
});

const streamLimits = {
  firstByteMs: milliseconds(100, 600_000)
    .optional()
    .describe('From sending the request to the response headers; detects a silent target.'),
  firstTokenMs: milliseconds(100, 600_000).optional().describe('From sending the request to the first token.'),
  idleMs: milliseconds(100, 600_000).optional().describe('From one token to the next.'),
};

/** A field of a request to a provider. */
const requestField = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, 'must be the name of a field, like top_p');

/** What a request is not a request without, or not one whose price is known. */
const indispensableFields: ReadonlySet<string> = new Set(['model', 'messages', 'stream', 'max_tokens', 'tools']);

/** What no request says, because the price would be another or the answer would have other parts. */
const unpricedFields: ReadonlySet<string> = new Set(['n', 'best_of', 'service_tier', 'web_search_options', 'stream']);

const omittedField = requestField.refine(
  (field) => !indispensableFields.has(field),
  'must be a field that a request can do without; max_tokens bounds its price and can be renamed',
);

const newFieldName = requestField.refine(
  (field) => !unpricedFields.has(field) && field !== 'model' && field !== 'messages',
  'must be another field: this one has a meaning of its own',
);

const renamedFields = z
  .record(requestField, newFieldName)
  .refine(
    (rename) => !('model' in rename || 'messages' in rename || 'stream' in rename),
    'cannot rename model, messages or stream',
  )
  .refine(
    (rename) => new Set(Object.values(rename)).size === Object.keys(rename).length,
    'must have a name of its own for each field',
  );

const memberSchema = z.strictObject({
  provider: name,
  model: modelName.optional().describe("What this provider calls the model; the target's model unless given."),
  weight: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('Its share of the turns, relative to the weights of the others; 1 unless given.'),
});

const targetSchema = z.strictObject({
  name: name
    .refine((value) => value !== 'degraded-mode', 'is reserved for the degraded reply')
    .describe('The role within the arm, shown as the provider of a reply, such as holysheep-primary.'),
  provider: name.optional().describe('Needed unless the target has members.'),
  model: modelName,
  members: z
    .array(memberSchema)
    .min(2)
    .max(10)
    .optional()
    .describe(
      'In place of provider: several keys, regions or deployments of the model, chosen by weight. A session stays with one while it works.',
    ),
  cooldownMs: milliseconds(100, 600_000)
    .optional()
    .describe(
      'How long a member gets no calls after a failure, unless the provider says how long; 10 seconds unless given.',
    ),
  maxOutputTokens: z
    .int()
    .min(1)
    .max(10_000_000)
    .optional()
    .describe(
      'The most tokens that one answer of the model can have, reasoning included. Default: 65,536. If a provider claims more, it is not believed, and the call counts at its reserved amount.',
    ),
  maxThinkingTokens: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe(
      'The most tokens that the model thinks beyond max_tokens, whatever a request asks for; they are reserved with each call. Unless given, known models have theirs by name, and others have what a request asks for.',
    ),
  omit: z
    .array(omittedField)
    .max(50)
    .optional()
    .describe(
      'Fields of a request that the target refuses: they are left out. Unless given, by the name of the model: temperature and the like for o1, o3, o4 and gpt-5.',
    ),
  rename: renamedFields
    .optional()
    .describe(
      'Fields that the target takes under another name: { max_tokens: max_completion_tokens }. Unless given, by the name of the model.',
    ),
  exclusive: z
    .array(z.array(requestField).min(2).max(10))
    .max(10)
    .optional()
    .describe(
      'Lists of fields that the target refuses beside each other: of each list, the first that a request has is sent. Unless given, by the name of the model.',
    ),
  developer: z
    .enum(['developer', 'system'])
    .optional()
    .describe(
      "The role in which the target gets a developer's messages. Unless given, developer for OpenAI's models and system for all others.",
    ),
  maxImageTokens: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe(
      'The most prompt tokens that the provider charges for one picture, which are reserved for each; known for models of the usual names, 17,000 for others.',
    ),
  firstAttempt: z
    .enum(['auto', 'local', 'regular'])
    .optional()
    .describe(
      'Where the first call runs: local in the workflow task, regular in an activity; auto decides by how long the target usually takes.',
    ),
  usualLatencyMs: milliseconds(1, 600_000)
    .optional()
    .describe('How long the target usually takes; used until calls have been measured.'),
  streaming: z.boolean().optional().describe('false: the target is asked for whole answers, even in streamed turns.'),
  continues: z
    .boolean()
    .optional()
    .describe('false: the target is not asked to continue an interrupted answer; it starts again.'),
  stream: z
    .strictObject(streamLimits)
    .optional()
    .describe(
      'Limits for this target instead of those under stream: a model that reasons before it answers needs more time.',
    ),
});

const armSchema = z.strictObject({
  targets: z.array(targetSchema).min(1).max(10).describe('Tried in order.'),
});

const offeredTarget = {
  provider: name,
  model: modelName.optional().describe("The provider's name for the model; the offered name unless given."),
};

const embeddingsSchema = z.strictObject({
  targets: z
    .array(
      z.strictObject({
        ...offeredTarget,
        price: usdAmount.describe('US dollars per 1,000,000 tokens of the input.'),
      }),
    )
    .min(1)
    .max(10)
    .describe('Tried in order.'),
  maxDimensions: z
    .int()
    .min(1)
    .max(65_536)
    .optional()
    .describe(
      'The most numbers that one vector can have, by which long requests are split into calls; known for models of OpenAI, 3,072 for others.',
    ),
  mixesModels: z
    .boolean()
    .optional()
    .describe(
      'true: the targets may name different models. Vectors of different models cannot be compared, so only for one model that two providers name differently.',
    ),
});

const moderationsSchema = z.strictObject({
  targets: z
    .array(
      z.strictObject({
        ...offeredTarget,
        price: usdAmount.default(0).describe('US dollars per 1,000,000 tokens of the input; 0 unless given.'),
      }),
    )
    .min(1)
    .max(10)
    .describe('Tried in order.'),
});

const gatewaySchema = z.strictObject({
  aliases: z
    .array(modelName)
    .max(100)
    .optional()
    .describe('Other names for the model "bellwether", for clients whose model name you cannot change.'),
  requestsPerMinute: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests per minute of an API key that has no limit of its own.'),
  allowedHosts: z
    .array(hostName)
    .max(100)
    .optional()
    .describe(
      'Host names, without a port, under which callers may reach a gateway on loopback, besides localhost: the name of a proxy in front of it, or host.docker.internal.',
    ),
  corsOrigins: z
    .array(
      z
        .string()
        .regex(
          /^[a-z][a-z0-9+.-]{0,30}:\/\/[a-z0-9.-]{1,253}(:[0-9]{1,5})?$/,
          'must be an origin in small letters, without a path, like https://chat.example.com',
        ),
    )
    .max(100)
    .optional()
    .describe(
      'Origins whose pages may call the gateway from a browser, which asks for each with CORS; none unless given.',
    ),
  onDisconnect: z
    .enum(onDisconnectChoices)
    .optional()
    .describe(
      'What becomes of a turn when the last client that waits for it at a gateway has left: it goes on unless given. The header x-bellwether-on-disconnect of a request overrides it.',
    ),
  whileBusy: z
    .enum(whileBusyPolicies)
    .optional()
    .describe(
      "What becomes of a session's message while earlier ones have no answer: enqueue unless given. reject refuses it; interrupt stops the earlier ones. The header x-bellwether-while-busy of a request overrides it.",
    ),
  maxBodyBytes: z
    .int()
    .min(1_048_576)
    .max(67_108_864)
    .optional()
    .describe('Of one request with its pictures; 20 MiB unless given. Its texts may have 1 MiB, whatever this says.'),
  maxOpenRequests: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Requests that one gateway may have open at once, each until its turn has ended; 4,000 unless given.'),
  maxOpenRequestsOfKey: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('Requests that one API key may have open at once in one gateway; 100 unless given.'),
  maxBytesInFlight: z
    .int()
    .min(1_048_576)
    .max(1_073_741_824)
    .optional()
    .describe(
      'Bytes in the bodies of all open requests of one gateway; 48 MiB unless given. They take up to 13 times as much memory in the gateway, and up to 20 times in all its workers together.',
    ),
  maxBytesInFlightOfKey: z
    .int()
    .min(1_048_576)
    .max(1_073_741_824)
    .optional()
    .describe(
      'Bytes in the bodies of the open requests of one API key; 24 MiB unless given. A single request is accepted whatever its size.',
    ),
});

const variableName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'must be the name of an environment variable in capitals, not what it contains');

const notifySchema = z.strictObject({
  name: name.describe(
    'Shown by `bellwether notify list`; a new name makes a new target, which hears only what happens from then on.',
  ),
  format: z.enum(notifyFormats).default('json').describe("json, or the messages of Slack's incoming webhooks."),
  events: z.array(z.enum(notificationEvents)).min(1).optional().describe('What it is told; everything unless given.'),
  url: z
    .url({ protocol: /^https?$/, error: 'must be an https address, like https://hooks.example.com/bellwether' })
    .max(2_000)
    .optional()
    .describe('Its address. If that is a secret, as those of Slack are, name it in urlEnv or urlFile instead.'),
  urlEnv: variableName
    .optional()
    .describe(
      'Name of the environment variable that holds the address; the same name with _FILE names a file that does.',
    ),
  urlFile: z.string().min(1).optional().describe('A file that holds the address, relative to this file.'),
  allowHttp: z
    .boolean()
    .optional()
    .describe('true: the address may begin with http:// even if it is on another machine, as in a private network.'),
  secretEnv: variableName
    .optional()
    .describe(
      'Name of the environment variable that holds the secret to sign with: whsec_ and base64, or two of them while one replaces the other. The same name with _FILE names a file that does. JSON needs one.',
    ),
  secretFile: z.string().min(1).optional().describe('A file that holds the secret, relative to this file.'),
  pageUrl: z
    .url({
      protocol: /^https?$/,
      error: "must be the address of the operator's page, like https://chat.example.com/page",
    })
    .max(2_000)
    .optional()
    .describe("Address of the operator's page, which each message links to; no link unless given."),
});

/** The optional file, as users write it. Every part may be left out; `defaults.ts` has the defaults. */
export const configFileSchema = z.strictObject({
  $schema: z.string().optional(),
  providers: z.record(name, providerSchema).optional(),
  models: z
    .record(modelName, modelSchema)
    .optional()
    .describe('By model name, or by provider/model if two providers sell the same model at different prices.'),
  arms: z.record(name, armSchema).optional().describe('The sides of a migration: each a chain of targets.'),
  chains: z
    .record(name, armSchema)
    .optional()
    .describe('Models that are offered by name, each a chain of targets. No rollout moves them.'),
  defaultArm: name.optional().describe('The arm of every turn unless a rollout says otherwise.'),
  pinnedUsers: z
    .record(userId, name)
    .optional()
    .describe(
      'By user id: users who stay on one arm whatever a rollout does, such as staff and tests. No rollout counts them.',
    ),
  budgets: z
    .strictObject({
      sessionUsd: usdAmount.optional().describe('US dollars that one session may cost.'),
      dayUsd: usdAmount.optional().describe('US dollars that all turns may cost in one UTC day.'),
      maxCompletionTokens: z
        .int()
        .min(1)
        .max(1_000_000)
        .optional()
        .describe('The most completion tokens of one reply.'),
    })
    .optional(),
  retry: z
    .strictObject({
      maxAttemptsPerTarget: z.int().min(1).max(10).optional(),
      baseTimeoutMs: milliseconds(100, 600_000).optional().describe('Attempt n, from 0, may take this × 2^n.'),
      timeoutJitterMs: milliseconds(0, 60_000).optional(),
      baseDelayMs: milliseconds(0, 60_000).optional().describe('Before attempt n + 1 the wait is this × 2^n.'),
      delayJitterMs: milliseconds(0, 60_000).optional(),
      maxRetryAfterMs: milliseconds(0, 600_000)
        .optional()
        .describe('If a target asks for a longer wait, the next target is called.'),
      afterSilence: z
        .enum(['retry', 'next-target'])
        .optional()
        .describe('After a timeout without a single byte: call the same target again, or the next one.'),
      turnDeadlineMs: milliseconds(1000, 3_600_000)
        .optional()
        .describe('Limit for the whole turn, across all targets.'),
      budgetPercent: z
        .int()
        .min(0)
        .max(1000)
        .optional()
        .describe(
          "A worker's retries of a provider, in percent of that provider's answered calls; 20 unless given. First calls are not limited.",
        ),
      budgetPerSecond: z
        .number()
        .min(0)
        .max(1000)
        .optional()
        .describe('Retries of a provider per second on top of that share, saved up for 10 seconds; 2 unless given.'),
    })
    .optional(),
  stream: z
    .strictObject({
      ...streamLimits,
      // The step of a turn that makes the first call gives up after ten minutes.
      totalMs: milliseconds(1000, 480_000)
        .optional()
        .describe('Limit for a whole streamed call, while its tokens come.'),
    })
    .optional()
    .describe('Limits for streamed calls.'),
  breaker: z
    .strictObject({
      failures: z
        .int()
        .min(1)
        .max(1000)
        .optional()
        .describe('Consecutive failures after which no call is made to a target for a while.'),
      halfOpenAfterMs: milliseconds(100, 600_000)
        .optional()
        .describe(
          'After this time, one call tests the target. While no target of a chain is in use, each is tested every second.',
        ),
    })
    .optional(),
  embeddings: z
    .record(modelName, embeddingsSchema)
    .optional()
    .describe('The models of POST /v1/embeddings by the names that clients use; none unless given.'),
  moderations: z
    .record(modelName, moderationsSchema)
    .optional()
    .describe('The models of POST /v1/moderations by the names that clients use; none unless given.'),
  gateway: gatewaySchema.optional().describe('The HTTP endpoint that OpenAI clients use.'),
  notify: z
    .array(notifySchema)
    .max(20)
    .optional()
    .describe('Whom workers tell what happens to rollouts, budgets and providers.'),
  defaults: z
    .strictObject({
      temperature: z
        .number()
        .min(0)
        .max(2)
        .optional()
        .describe('For requests that have neither temperature nor top_p; none is sent unless given.'),
      maxTokens: z.int().min(1).max(1_000_000).optional(),
    })
    .optional(),
});

/** As written in the file. */
export type ConfigFileInput = z.input<typeof configFileSchema>;
/** As checked: amounts in nano-dollars. */
export type ConfigFile = z.output<typeof configFileSchema>;

/** JSON Schema of the configuration file, for editors; `bellwether.schema.json` in the package has a copy. */
export function configJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(configFileSchema, { io: 'input' });
  return {
    $schema,
    title: 'Configuration of Bellwether',
    description: 'bellwether.config.json, .yaml or .yml. What you leave out has the default of the migration guide.',
    ...schema,
  };
}
