import { limits } from '../../contract/limits';
import type { Problem, ProblemPath } from '../../contract/problem';
import { fieldsOf } from '../fields-of';
import { maxThinkingBudget, thinkingBudgets } from './asked-thinking';

/**
 * Tools that the caller runs. All others run at the provider, which charges for each use what no reservation knows of: web
 * search, file search, code interpreters, computers, images.
 */
export const toolTypes = ['function', 'custom'] as const;

export function notCallersTool(type: unknown): string {
  const found = typeof type === 'string' ? JSON.stringify(type.slice(0, 40)) : 'missing';
  return `must be one of ${toolTypes.join(', ')}, not ${found}: providers charge for tools of their own, and no budget here knows how much`;
}

const fee = 'providers charge a fee for it that no budget here knows';

/** Options that would cost what no reservation covers, or bring an answer that could not be passed on; each with what to do. */
export const refusedOptions = {
  web_search_options: `${fee}; use tools`,
  web_search: `${fee}; use tools`,
  enable_search: `${fee}; use tools`,
  search_options: `${fee}; use tools`,
  search_parameters: `${fee}; use tools`,
  plugins: `${fee}; use tools`,
  mcp_servers: `${fee}; use tools`,
  audio: 'answers are texts',
  logprobs: 'answers come without',
  top_logprobs: 'answers come without',
} as const;

/** Objects in which some providers take any field once more, also those that limits and prices depend on. */
export const carrierOptions = [
  'options',
  'parameters',
  'generation_config',
  'generationConfig',
  'model_kwargs',
] as const;

/** What remains of an `extra_body`: Gemini's own thinking options. Its `cached_content` is a prompt that no budget here measures. */
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
    'is not offered: of extra_body, only google.thinking_config goes to a provider; put other fields beside model';
  return { path: [...path, other[0]], code: 'wrong-value', message };
}

/** Off, in the words of whoever sends every field there is. */
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
    const message = 'is not offered: put its fields beside model, where limits hold';
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
  // What is longer is refused for its length.
  const types = tools.slice(0, limits.maxTools).map((tool) => (tool as { readonly type?: unknown } | null)?.type);
  // One without a type is for the provider to judge.
  const index = types.findIndex((type) => typeof type === 'string' && !(toolTypes as readonly string[]).includes(type));
  if (index === -1) return null;
  return { path: [...path, index, 'type'], code: 'wrong-value', message: notCallersTool(types[index]) };
}
