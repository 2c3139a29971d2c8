import type { RequestRules } from '../contract/policy';
import { usualThinkingTokens } from '../domain/turn/asked-thinking';

/** What is known about a model from its name: what its provider accepts, and how much it thinks beyond `max_tokens`. */
export interface ModelPreset extends RequestRules {
  readonly maxThinkingTokens: number;
  /** The same if a request asks for thinking without giving a number. null: it never thinks beyond its limit. */
  readonly askedThinkingTokens: number | null;
}

/**
 * OpenAI's reasoning models reject these fields, which only tune an answer and which applications often send unasked.
 * Fields that change the answer itself (`stop`, `logit_bias`, `logprobs`) are sent on, so that the error names them.
 */
const tuning = ['temperature', 'top_p', 'presence_penalty', 'frequency_penalty'];

interface Rule {
  readonly names: RegExp;
  readonly preset: Partial<ModelPreset>;
}

const withinLimit = { maxThinkingTokens: 0, askedThinkingTokens: null } as const;

/** The largest thinking budget that Alibaba documents. */
const maxQwenTokens = 81_920;

const completionTokens = { rename: { max_tokens: 'max_completion_tokens' } } as const;

/** For each field, the first rule that matches the name applies. */
const rules: readonly Rule[] = [
  { names: /^(o[1-9]|gpt-[5-9]|codex)(?!.*chat)/, preset: { ...completionTokens, omit: tuning, ...withinLimit } },
  { names: /^gpt-[5-9]/, preset: { ...completionTokens, ...withinLimit } },
  { names: /^(gpt|chatgpt|o[1-9])/, preset: { developer: 'developer', ...withinLimit } },
  // Its `max_completion_tokens` includes what it thinks, its `max_tokens` does not.
  {
    names: /^grok-(3-mini|[4-9])/,
    preset: { ...completionTokens, omit: ['presence_penalty', 'frequency_penalty'], ...withinLimit },
  },
  { names: /^(doubao|seed)-/, preset: { ...completionTokens, ...withinLimit } },
  // Anthropic counts thinking in `max_tokens`. Since Opus 4.1 its models refuse `top_p` beside `temperature`.
  {
    names: /claude-(opus-4[-.][1-9]\b|(sonnet|haiku)-4[-.][5-9]\b|[a-z]+-[5-9]\b)/,
    preset: { exclusive: [['temperature', 'top_p']] },
  },
  { names: /claude/, preset: { ...withinLimit } },
  // Google counts thoughts within `max_tokens`, whatever their budget.
  { names: /^gemini-/, preset: withinLimit },
  { names: /^qwen.*(instruct|coder)/, preset: withinLimit },
  // These models think only when asked.
  {
    names: /^(qwen-(plus|turbo|flash|max)|qwen3-(max|vl-(plus|flash)|omni))(?!.*think)/,
    preset: { maxThinkingTokens: 0, askedThinkingTokens: maxQwenTokens },
  },
  { names: /^(qwen[3-9]|qwq|qvq)/, preset: { maxThinkingTokens: maxQwenTokens, askedThinkingTokens: maxQwenTokens } },
  { names: /non-?(reasoning|thinking)/, preset: withinLimit },
  // DeepSeek's limit on thinking, for all models whose names say that they think.
  {
    names: /(^|[-_.])(r1|qwq|magistral|reasoner|reasoning|think|thinking|deep-research)([-_.:]|$)/,
    preset: { maxThinkingTokens: usualThinkingTokens },
  },
];

/** Only OpenAI knows the role `developer`. */
const unknownModel: ModelPreset = {
  omit: [],
  rename: {},
  exclusive: [],
  developer: 'system',
  maxThinkingTokens: 0,
  askedThinkingTokens: usualThinkingTokens,
};

/** `openrouter/openai/o3-mini` and `o3-mini` are the same model. */
export function presetOf(model: string): ModelPreset {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  const matching = rules.filter(({ names }) => names.test(name)).map(({ preset }) => preset);
  return matching.toReversed().reduce<ModelPreset>((sum, preset) => ({ ...sum, ...preset }), unknownModel);
}
