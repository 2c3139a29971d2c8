import { limits } from '../../contract/limits';
import type { Problem, ProblemPath } from '../../contract/problem';

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
  return toolTypesProblem([...path, 'tools'], fields['tools']);
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
