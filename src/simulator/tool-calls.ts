/** Tools of a request: which there are, and which one `tool_choice` names. */
export interface AskedTools {
  readonly names: readonly string[];
  readonly forced: string | null;
}

export interface SimulatedToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** `call get_weather {"city":"Paris"}`, one call a line. */
const askedCallPattern = /^call ([\w-]+) ?(\{.*\})?$/;

/**
 * The calls that a user's message asks for, of the tools that there are; none when its first line asks for none. The same
 * for the same message, with ids that differ from one place in the conversation to another.
 */
export function toolCallsFor(tools: AskedTools, message: string, messageCount: number): readonly SimulatedToolCall[] {
  const asked = message
    .split('\n')
    .map((line) => askedCallPattern.exec(line.trim()))
    .filter((match) => match !== null)
    .map(([, name = '', argumentsJson = '{}']) => ({ name, arguments: argumentsJson }))
    .filter(({ name }) => tools.names.includes(name));
  const calls = asked.length === 0 && tools.forced !== null ? [{ name: tools.forced, arguments: '{}' }] : asked;
  return calls.map((call, index) => ({
    id: `call_${messageCount}_${index}_${call.name}`,
    type: 'function',
    function: call,
  }));
}
