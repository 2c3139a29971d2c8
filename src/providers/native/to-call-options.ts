import type { LanguageModelV3CallOptions, LanguageModelV3FunctionTool } from '@ai-sdk/provider';
import type { CompletionRequest } from '../../contract/provider';
import { fieldsOf } from '../../domain/fields-of';
import { applyRules } from '../completion-request';
import type { NativeKind } from './kind';
import { isCachePoint, toPrompt, UnsupportedRequest } from './to-prompt';

type Fields = Readonly<Record<string, unknown>>;

/** The request in the form of the AI SDK. The limit on its tokens is always sent, because it bounds what the call costs. */
export function toCallOptions(request: CompletionRequest, kind: NativeKind): LanguageModelV3CallOptions {
  const given = withRules(request);
  const { providerOptions, maxOutputTokens = request.maxTokens } = kind.optionsFor({ ...request, options: given });
  const { tools, toolChoice } = toolsOf(given, kind);
  return {
    prompt: toPrompt(request.messages, kind),
    maxOutputTokens,
    ...numberFields(given),
    ...(tools.length > 0 && { tools, ...(toolChoice && { toolChoice }) }),
    ...stopOf(given['stop']),
    ...responseFormatOf(given['response_format']),
    ...(providerOptions && { providerOptions }),
  };
}

/** The options that the target takes. */
function withRules({ options = {}, temperature, rules }: CompletionRequest): Fields {
  const { temperature: _own, ...others } = options;
  const fields = { ...others, ...(temperature !== undefined && { temperature }) };
  return rules === undefined ? fields : applyRules(fields, { ...rules, rename: {} });
}

const numbers = {
  temperature: 'temperature',
  top_p: 'topP',
  top_k: 'topK',
  presence_penalty: 'presencePenalty',
  frequency_penalty: 'frequencyPenalty',
  seed: 'seed',
} as const;

function numberFields(given: Fields): Partial<LanguageModelV3CallOptions> {
  const entries = Object.entries(numbers).map(([field, name]) => [name, given[field]] as const);
  return Object.fromEntries(entries.filter(([, value]) => typeof value === 'number'));
}

function stopOf(stop: unknown): Pick<LanguageModelV3CallOptions, 'stopSequences'> {
  const texts = (Array.isArray(stop) ? stop : [stop]).filter((text): text is string => typeof text === 'string');
  const stopSequences = texts.filter((text) => text !== '');
  return stopSequences.length === 0 ? {} : { stopSequences };
}

function responseFormatOf(format: unknown): Pick<LanguageModelV3CallOptions, 'responseFormat'> {
  const { type, json_schema } = fieldsOf(format);
  if (type === 'json_object') return { responseFormat: { type: 'json' } };
  if (type !== 'json_schema') return {};
  const { schema, name, description } = fieldsOf(json_schema);
  return {
    responseFormat: {
      type: 'json',
      ...(typeof schema === 'object' && schema !== null && { schema }),
      ...(typeof name === 'string' && { name }),
      ...(typeof description === 'string' && { description }),
    },
  };
}

interface Tools {
  readonly tools: LanguageModelV3FunctionTool[];
  readonly toolChoice?: LanguageModelV3CallOptions['toolChoice'];
}

function toolsOf({ tools: given, tool_choice: choice }: Fields, kind: NativeKind): Tools {
  const tools = (Array.isArray(given) ? (given as readonly unknown[]) : []).map((tool) => toTool(tool, kind));
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { tools, toolChoice: { type: choice } };
  const { type, function: named, allowed_tools } = fieldsOf(choice);
  if (type === 'allowed_tools') return allowedTools(tools, fieldsOf(allowed_tools));
  const { name } = fieldsOf(named);
  return typeof name === 'string' ? { tools, toolChoice: { type: 'tool', toolName: name } } : { tools };
}

function allowedTools(tools: readonly LanguageModelV3FunctionTool[], { mode, tools: allowed }: Fields): Tools {
  const names = new Set(
    (Array.isArray(allowed) ? (allowed as readonly unknown[]) : []).map(
      (tool) => fieldsOf(fieldsOf(tool)['function'])['name'],
    ),
  );
  const toolChoice = { type: mode === 'required' ? ('required' as const) : ('auto' as const) };
  return { tools: tools.filter(({ name }) => names.has(name)), toolChoice };
}

function toTool(tool: unknown, { cachePoint }: NativeKind): LanguageModelV3FunctionTool {
  const { type, function: named } = fieldsOf(tool);
  const { name, description, parameters, strict } = fieldsOf(named);
  if (typeof name !== 'string') {
    const what = type === 'custom' ? 'of the type custom, which this kind of provider does not have' : 'without a name';
    throw new UnsupportedRequest(`a tool is ${what}; offer it as a function`);
  }
  const schema =
    typeof parameters === 'object' && parameters !== null ? parameters : { type: 'object', properties: {} };
  return {
    type: 'function',
    name,
    ...(typeof description === 'string' && { description }),
    inputSchema: schema,
    ...(typeof strict === 'boolean' && { strict }),
    ...(isCachePoint(tool) && cachePoint && { providerOptions: cachePoint }),
  };
}
