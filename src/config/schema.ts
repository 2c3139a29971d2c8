import { z } from 'zod';
import { limits } from '../contract/limits';

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

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const nameExpectation = 'must be a name of up to 64 letters, digits, ".", "_" or "-"';

const userId = z.string().min(1).max(limits.maxIdLength);

const name = z.string().regex(namePattern, nameExpectation);

// A provider's own name of a model: `deepseek/deepseek-chat`, `llama3:8b`.
const modelName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}$/, 'must be a model name as the provider spells it');

const hostName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,252}$/, 'must be a name in small letters, without a port, like chat.example.com');

const milliseconds = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);

export const baseUrlSchema = z
  .url({ protocol: /^https?$/, error: 'must be an http or https address, like https://api.example.com/v1' })
  .refine((address) => !/[@?#]/.test(address), 'must not hold a user name, a password, a query or a fragment');

const providerSchema = z.strictObject({
  baseUrl: baseUrlSchema
    .optional()
    .describe('Up to and including /v1. HOLYSHEEP_BASE_URL and LEGACY_BASE_URL win over it.'),
  apiKeyEnv: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'must be the name of an environment variable in capitals, not a key')
    .optional()
    .describe('Name of the environment variable that holds the key; the same name with _FILE names a file that does.'),
  apiKeyFile: z.string().min(1).optional().describe('A file that holds the key, relative to this file.'),
  maxConnections: z.int().min(1).max(10_000).optional().describe('Connections kept to the provider.'),
  maxResponseBytes: z
    .int()
    .min(1024)
    .max(8_388_608)
    .optional()
    .describe('A longer response is an error. So is an answer of more than 1 MiB as JSON, whatever this says.'),
});

const priceSchema = z.union([
  usdAmount,
  z.strictObject({ input: usdAmount, output: usdAmount, cachedInput: usdAmount.optional() }),
]);

const modelSchema = z.strictObject({
  price: priceSchema.describe('US dollars per 1,000,000 tokens: one for all, or input, output and cachedInput.'),
  cjkMultiplier: z
    .number()
    .min(1)
    .max(100)
    .refine((multiplier) => Number.isInteger(Math.round(multiplier * 1e6) / 1e4), 'must have at most 2 decimals')
    .optional()
    .describe('What Chinese, Japanese and Korean text costs against other text; 1, the default, is no surcharge.'),
});

const streamLimits = {
  firstByteMs: milliseconds(100, 600_000)
    .optional()
    .describe('From sending to the headers of the response: finds out a silent target.'),
  firstTokenMs: milliseconds(100, 600_000).optional().describe('From sending to the first token.'),
  idleMs: milliseconds(100, 600_000).optional().describe('From one token to the next.'),
};

const targetSchema = z.strictObject({
  name: name
    .refine((value) => value !== 'degraded-mode', 'is taken by the reply that no model gave')
    .describe('The role within the arm, shown as provider of a reply: holysheep-primary.'),
  provider: name,
  model: modelName,
  maxOutputTokens: z
    .int()
    .min(1)
    .max(10_000_000)
    .optional()
    .describe(
      'The most tokens that one answer of the model can have, thoughts included; 65,536 unless given. A provider that claims more is not believed: the call counts at what was reserved.',
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
    .describe('Where the first call runs: in the workflow task, as an activity, or by what the target usually takes.'),
  usualLatencyMs: milliseconds(1, 600_000)
    .optional()
    .describe('What the target usually takes, before any call was measured.'),
  streaming: z.boolean().optional().describe('false: the target is asked for whole answers, also by streamed turns.'),
  continues: z
    .boolean()
    .optional()
    .describe('false: the target is not asked to go on from an answer that broke off; it begins anew.'),
  stream: z
    .strictObject(streamLimits)
    .optional()
    .describe(
      'Limits of this target in place of those under stream: a model that thinks before it speaks needs longer.',
    ),
});

const armSchema = z.strictObject({
  targets: z.array(targetSchema).min(1).max(10).describe('Tried in order.'),
});

const gatewaySchema = z.strictObject({
  aliases: z
    .array(modelName)
    .max(100)
    .optional()
    .describe('Further names of the model "bellwether", for clients whose model name cannot be changed.'),
  requestsPerMinute: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests of one API key in a minute, unless the key has a limit of its own.'),
  allowedHosts: z
    .array(hostName)
    .max(100)
    .optional()
    .describe(
      'Names, without a port, by which callers may know a gateway that listens on loopback, besides localhost: that of a proxy in front of it, or host.docker.internal.',
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
  maxBodyBytes: z
    .int()
    .min(1_048_576)
    .max(67_108_864)
    .optional()
    .describe('Of one request with its pictures; 20 MiB unless given. Its texts may have 1 MiB, whatever this says.'),
});

/** The optional file, as users write it. Every part may be left out; see `defaults.ts` for what holds then. */
export const configFileSchema = z.strictObject({
  $schema: z.string().optional(),
  providers: z.record(name, providerSchema).optional(),
  models: z
    .record(modelName, modelSchema)
    .optional()
    .describe('By model name, or by provider/model where two providers sell the same model at different prices.'),
  arms: z.record(name, armSchema).optional().describe('The sides of a migration: each a chain of targets.'),
  defaultArm: name.optional().describe('The arm of every turn while no rollout says otherwise.'),
  pinnedUsers: z
    .record(userId, name)
    .optional()
    .describe('Users who stay on one arm whatever a rollout says, by user id: staff, tests. No rollout counts them.'),
  budgets: z
    .strictObject({
      sessionUsd: usdAmount.optional().describe('US dollars one conversation may cost.'),
      dayUsd: usdAmount.optional().describe('US dollars all conversations may cost in one UTC day.'),
      maxCompletionTokens: z.int().min(1).max(1_000_000).optional().describe('Hard cap of one reply.'),
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
        .describe('A target that asks for a longer wait is left for the next one.'),
      afterSilence: z
        .enum(['retry', 'next-target'])
        .optional()
        .describe('After a timeout without one byte: ask the same target again, or the next one.'),
      turnDeadlineMs: milliseconds(1000, 3_600_000).optional().describe('The whole turn, over all targets.'),
    })
    .optional(),
  stream: z
    .strictObject({
      ...streamLimits,
      // The step of a turn that makes the first call gives up after ten minutes.
      totalMs: milliseconds(1000, 480_000).optional().describe('The whole of a streamed call, while its tokens come.'),
    })
    .optional()
    .describe('Limits of calls whose answer comes as a stream.'),
  breaker: z
    .strictObject({
      failures: z.int().min(1).max(1000).optional().describe('Failures in a row after which a target is left alone.'),
      halfOpenAfterMs: milliseconds(100, 600_000).optional().describe('After this, one call tries the target again.'),
    })
    .optional(),
  gateway: gatewaySchema.optional().describe('The HTTP endpoint that OpenAI clients use.'),
  defaults: z
    .strictObject({
      temperature: z.number().min(0).max(2).optional(),
      maxTokens: z.int().min(1).max(1_000_000).optional(),
    })
    .optional(),
});

/** As written in the file. */
export type ConfigFileInput = z.input<typeof configFileSchema>;
/** As checked: amounts in nano-dollars. */
export type ConfigFile = z.output<typeof configFileSchema>;

/** JSON Schema of the configuration file, for editors: `bellwether.schema.json` in the package is this, written down. */
export function configJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(configFileSchema, { io: 'input' });
  return {
    $schema,
    title: 'Configuration of Bellwether',
    description: 'bellwether.config.json, .yaml or .yml. What is left out is as the migration guide has it.',
    ...schema,
  };
}
