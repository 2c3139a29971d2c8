import { limits } from '../../contract/limits';
import type { Problem, ProblemPath } from '../../contract/problem';
import { fieldsOf } from '../fields-of';
import { maxThinkingBudget, thinkingBudgets } from './asked-thinking';

/**
 * Tools that the caller runs. All others run at the provider, which charges for each use, and no reservation covers that:
 * web search, file search, code interpreters, computers, images.
 */
export const toolTypes = ['function', 'custom'] as const;

export function notCallersTool(type: unknown): string {
  const found = typeof type === 'string' ? JSON.stringify(type.slice(0, 40)) : 'missing';
  return `must be one of ${toolTypes.join(', ')}, not ${found}: providers charge for their own tools, and no budget here covers that`;
}

const fee = 'providers charge an extra fee for it, which no budget here covers';

/**
 * Options whose cost no reservation covers, or whose answers could not be passed on, each with the reason or with what to
 * do instead.
 */
export const refusedOptions = {
  web_search_options: `${fee}; use tools`,
  web_search: `${fee}; use tools`,
  enable_search: `${fee}; use tools`,
  search_options: `${fee}; use tools`,
  search_parameters: `${fee}; use tools`,
  plugins: `${fee}; use tools`,
  mcp_servers: `${fee}; use tools`,
  audio: 'answers are text only',
  logprobs: 'answers do not contain them',
  top_logprobs: 'answers do not contain them',
} as const;

/** Objects in which some providers accept any field again, even those that limits and prices depend on. */
export const carrierOptions = [
  'options',
  'parameters',
  'generation_config',
  'generationConfig',
  'model_kwargs',
] as const;

/**
 * The part of an `extra_body` that is passed on: Gemini's thinking options, but not its `cached_content`, a prompt that
 * no budget here measures.
 */
export function passableExtraBody(extra: unknown): Readonly<Record<string, unknown>> | null {
  const config = fieldsOf(fieldsOf(extra)['google'])['thinking_config'];
  return isOff(config) ? null : { google: { thinking_config: config } };
}

function extraBodyProblem(path: ProblemPath, extra: unknown): Problem | null {
  if (isOff(extra)) return null;
  if (typeof extra !== 'object' || Array.isArray(extra))
    return { path, code: 'wrong-type', message: 'must be an object' };
  return (
    onlyFieldProblem(path, extra, 'google') ??
    onlyFieldProblem([...path, 'google'], fieldsOf(extra)['google'], 'thinking_config')
  );
}

function onlyFieldProblem(path: ProblemPath, value: unknown, only: string): Problem | null {
  const other = Object.entries(fieldsOf(value)).find(([field, inside]) => field !== only && !isOff(inside));
  if (other === undefined) return null;
  const message =
    'is not offered: only google.thinking_config is passed on from extra_body; put other fields next to model';
  return { path: [...path, other[0]], code: 'wrong-value', message };
}

/** Whether an option is off: some clients send every field that exists, most of them with such a value. */
function isOff(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === false ||
    value === 0 ||
    (Array.isArray(value) && value.length === 0)
  );
}

/** What is wrong with the options that go to a provider as they are, or null. */
export function modelOptionsProblem(options: unknown, path: ProblemPath = ['modelOptions']): Problem | null {
  if (typeof options !== 'object' || options === null) return null;
  const fields = options as Readonly<Record<string, unknown>>;
  for (const [field, instead] of Object.entries(refusedOptions)) {
    if (isOff(fields[field])) continue;
    return { path: [...path, field], code: 'wrong-value', message: `is not offered: ${instead}` };
  }
  for (const field of carrierOptions) {
    if (isOff(fields[field])) continue;
    const message = 'is not offered: put its fields next to model, where limits apply';
    return { path: [...path, field], code: 'wrong-value', message };
  }
  return (
    extraBodyProblem([...path, 'extra_body'], fields['extra_body']) ??
    thinkingBudgetProblem(path, fields) ??
    toolTypesProblem([...path, 'tools'], fields['tools'])
  );
}

function thinkingBudgetProblem(path: ProblemPath, fields: Readonly<Record<string, unknown>>): Problem | null {
  for (const { path: place, value } of thinkingBudgets(fields)) {
    // Gemini's word for "as much as you like" is -1.
    if (value === null || value === undefined || value === -1) continue;
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxThinkingBudget) continue;
    const message = `must be a whole number from 0 to ${maxThinkingBudget}`;
    return { path: [...path, ...place], code: 'out-of-range', message, limit: maxThinkingBudget };
  }
  return null;
}

function toolTypesProblem(path: ProblemPath, tools: unknown): Problem | null {
  if (!Array.isArray(tools)) return null;
  // A longer list is refused for its length.
  const types = tools.slice(0, limits.maxTools).map((tool) => (tool as { readonly type?: unknown } | null)?.type);
  // A tool without a type is left to the provider.
  const index = types.findIndex((type) => typeof type === 'string' && !(toolTypes as readonly string[]).includes(type));
  if (index === -1) return null;
  return { path: [...path, index, 'type'], code: 'wrong-value', message: notCallersTool(types[index]) };
}
