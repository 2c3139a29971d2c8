import { fieldsOf } from '../fields-of';

/**
 * How much the options of a request ask a model to think. `chat_template_kwargs` and `think` are not looked at: the servers
 * that know them (vLLM, SGLang, llama.cpp, Ollama) count thoughts within the limit.
 */
type Options = Readonly<Record<string, unknown>>;

/** More than any model's budget; a larger one is refused. */
export const maxThinkingBudget = 131_072;

/** The most that a model thinks when it is asked to, if nothing else is known about it: DeepSeek's limit. */
export const usualThinkingTokens = 32_768;

interface Budget {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** Every way to give providers a budget: Qwen, Anthropic and GLM, OpenRouter, Gemini. */
const budgetPaths: readonly (readonly string[])[] = [
  ['thinking_budget'],
  ['thinking', 'budget_tokens'],
  ['reasoning', 'max_tokens'],
  ...[['thinking_config'], ['extra_body', 'google', 'thinking_config']].flatMap((config) => [
    [...config, 'thinking_budget'],
    [...config, 'thinkingBudget'],
  ]),
];

export function thinkingBudgets(options: Options): readonly Budget[] {
  return budgetPaths
    .map((path) => ({ path, value: valueAt(options, path) }))
    .filter(({ value }) => value !== undefined);
}

/**
 * The most tokens that a model may think because the options ask for it; 0 if they do not. `unnamed` is what it thinks if
 * they give no number.
 */
export function askedThinkingTokens(options: Options | undefined, unnamed: number): number {
  if (options === undefined) return 0;
  const budgets = thinkingBudgets(options)
    .map(({ value }) => value)
    .filter((value) => isCount(value));
  return Math.max(0, ...budgets, asksWithoutNumber(options) ? unnamed : 0);
}

function asksWithoutNumber(options: Options): boolean {
  const {
    enable_thinking: isEnabled,
    thinking_budget: budget,
    thinking,
    reasoning,
    reasoning_effort: effort,
  } = options;
  const configs = [['thinking_config'], ['extra_body', 'google', 'thinking_config']].map((path) =>
    valueAt(options, path),
  );
  return (
    (isOn(isEnabled) && !isCount(budget)) ||
    (isOn(effort) && effort !== 'none') ||
    thinkingBudgets(options).some(({ value }) => value === -1) ||
    asks(thinking, 'budget_tokens') ||
    asks(reasoning, 'max_tokens') ||
    configs.some((config) => asks(config, 'thinking_budget', 'thinkingBudget'))
  );
}

/** An object about thinking asks for it without a number, unless it turns thinking off or gives a number. */
function asks(value: unknown, ...budgets: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return isOn(value);
  const { type, effort, enabled } = value as Options;
  const isOff = type === 'disabled' || effort === 'none' || enabled === false;
  return !isOff && !budgets.some((field) => isCount((value as Options)[field]));
}

function isOn(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function valueAt(options: Options, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, field) => fieldsOf(value)[field], options);
}
