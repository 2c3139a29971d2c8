import { readFileSync } from 'node:fs';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { AIMessage, type AIMessageChunk, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { Agent, OpenAIProvider, Runner, setTracingDisabled, tool as agentTool } from '@openai/agents';
import {
  APICallError,
  generateObject,
  generateText,
  jsonSchema,
  type LanguageModel,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import OpenAI, { APIError } from 'openai';
import type { ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import type { ResponseInputItem } from 'openai/resources/responses/responses';
import { askForOrder, findOrder, findOrderTool } from '../find-order';
import {
  answerSchema,
  type ClientConnection,
  type Outcomes,
  question,
  type TestedClient,
  toolResult,
  unknownModel,
} from './features';

/** One that OpenAI offers: an alias here, as for clients whose model name nobody can change. */
export const model = 'gpt-4.1-mini';

// Traces would go to OpenAI.
setTracingDisabled(true);

const openai = ({ baseUrl, apiKey }: ClientConnection) => new OpenAI({ baseURL: baseUrl, apiKey });

function versionOf(name: string): string {
  const { version } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')) as { version: string };
  return version;
}

async function errorOf(asked: PromiseLike<unknown>): Promise<Outcomes['error']> {
  try {
    await asked;
  } catch (error) {
    if (APICallError.isInstance(error)) return { status: error.statusCode ?? 0, message: error.message };
    if (error instanceof APIError) return { status: error.status as number, message: error.message };
    throw error;
  }
  throw new Error('That was answered.');
}

async function piecesOf(stream: AsyncIterable<string | null | undefined>): Promise<string[]> {
  const pieces = [];
  for await (const piece of stream) if (piece) pieces.push(piece);
  return pieces;
}

const jsonFormat = { name: 'answer', schema: answerSchema, strict: true } as const;

const completions: TestedClient = {
  name: 'openai',
  language: 'TypeScript',
  version: versionOf('openai'),
  api: 'Chat completions',
  connect: 'new OpenAI({ baseURL, apiKey })',
  lacks: {},
  tries: {
    plain: async (to) => {
      const messages: ChatCompletionMessageParam[] = [{ role: 'user', content: question }];
      const { choices } = await openai(to).chat.completions.create({ model, messages });
      return choices[0]?.message.content ?? '';
    },
    streamed: async (to) => {
      const messages: ChatCompletionMessageParam[] = [{ role: 'user', content: question }];
      const stream = openai(to).chat.completions.stream({ model, messages });
      const pieces: string[] = [];
      stream.on('content', (piece) => void pieces.push(piece));
      await stream.done();
      return pieces;
    },
    tools: async (to) => {
      const run = openai(to).chat.completions.runTools({
        model,
        messages: [{ role: 'user', content: askForOrder }],
        tools: [{ type: 'function', function: { ...findOrder, parse: JSON.parse, function: async () => toolResult } }],
      });
      return (await run.finalContent()) ?? '';
    },
    structured: async (to) => {
      const { choices } = await openai(to).chat.completions.create({
        model,
        messages: [{ role: 'user', content: question }],
        response_format: { type: 'json_schema', json_schema: jsonFormat },
      });
      return JSON.parse(choices[0]?.message.content ?? '') as Outcomes['structured'];
    },
    error: (to) =>
      errorOf(
        openai(to).chat.completions.create({ model: unknownModel, messages: [{ role: 'user', content: question }] }),
      ),
    reasoning: async (to) => {
      const messages: ChatCompletionMessageParam[] = [{ role: 'user', content: question }];
      const { choices } = await openai(to).chat.completions.create({ model, messages });
      // Its types do not know the field, as OpenAI's own models never send it.
      const message = choices[0]?.message as { readonly reasoning_content?: string } | undefined;
      return message?.reasoning_content ?? '';
    },
  },
};

const responses: TestedClient = {
  ...completions,
  api: 'Responses',
  tries: {
    plain: async (to) => (await openai(to).responses.create({ model, input: question })).output_text,
    streamed: async (to) => {
      const stream = openai(to).responses.stream({ model, input: question });
      const pieces: string[] = [];
      stream.on('response.output_text.delta', ({ delta }) => void pieces.push(delta));
      const whole = await stream.finalResponse();
      if (whole.output_text !== pieces.join('')) throw new Error('The whole is not its pieces.');
      return pieces;
    },
    tools: async (to) => {
      const { parameters, ...named } = findOrder;
      const tools = [{ type: 'function' as const, ...named, parameters, strict: true }];
      const first = await openai(to).responses.create({ model, input: askForOrder, tools });
      const results: ResponseInputItem[] = first.output
        .filter((item) => item.type === 'function_call')
        .map(({ call_id }) => ({ type: 'function_call_output', call_id, output: toolResult }));
      const next = await openai(to).responses.create({ model, input: results, tools, previous_response_id: first.id });
      return next.output_text;
    },
    structured: async (to) => {
      const format = { type: 'json_schema' as const, ...jsonFormat };
      const { output_text } = await openai(to).responses.create({ model, input: question, text: { format } });
      return JSON.parse(output_text) as Outcomes['structured'];
    },
    error: (to) => errorOf(openai(to).responses.create({ model: unknownModel, input: question })),
    reasoning: async (to) => {
      const { output } = await openai(to).responses.create({ model, input: question });
      const items = output.filter((item) => item.type === 'reasoning');
      return items.flatMap(({ summary }) => summary.map(({ text }) => text)).join('');
    },
  },
};

type LanguageModels = (modelName: string) => Exclude<LanguageModel, string>;

function aiSdk(languageModels: (to: ClientConnection) => LanguageModels): TestedClient['tries'] {
  const find_order = tool({
    description: findOrder.description,
    inputSchema: jsonSchema<{ number: string }>(findOrder.parameters),
    execute: () => toolResult,
  });
  return {
    plain: async (to) => (await generateText({ model: languageModels(to)(model), prompt: question })).text,
    streamed: (to) => piecesOf(streamText({ model: languageModels(to)(model), prompt: question }).textStream),
    tools: async (to) => {
      const asked = { prompt: askForOrder, tools: { find_order }, stopWhen: stepCountIs(3) };
      return (await generateText({ model: languageModels(to)(model), ...asked })).text;
    },
    structured: async (to) => {
      const schema = jsonSchema<Outcomes['structured']>(answerSchema);
      return (await generateObject({ model: languageModels(to)(model), prompt: question, schema })).object;
    },
    error: (to) => errorOf(generateText({ model: languageModels(to)(unknownModel), prompt: question })),
    reasoning: async (to) =>
      (await generateText({ model: languageModels(to)(model), prompt: question })).reasoningText ?? '',
  };
}

const aiSdkCompatible: TestedClient = {
  name: '@ai-sdk/openai-compatible',
  language: 'TypeScript',
  version: versionOf('@ai-sdk/openai-compatible'),
  api: 'Chat completions',
  connect: "createOpenAICompatible({ name: 'bellwether', baseURL, apiKey, supportsStructuredOutputs: true })",
  lacks: {},
  tries: aiSdk(({ baseUrl, apiKey }) =>
    createOpenAICompatible({ name: 'bellwether', baseURL: baseUrl, apiKey, supportsStructuredOutputs: true }),
  ),
};

const aiSdkResponses: TestedClient = {
  name: '@ai-sdk/openai',
  language: 'TypeScript',
  version: versionOf('@ai-sdk/openai'),
  api: 'Responses',
  connect: 'createOpenAI({ baseURL, apiKey })',
  lacks: {},
  tries: aiSdk(({ baseUrl, apiKey }) => createOpenAI({ baseURL: baseUrl, apiKey })),
};

const aiSdkChat: TestedClient = {
  ...aiSdkResponses,
  api: 'Chat completions',
  connect: 'createOpenAI({ baseURL, apiKey }).chat',
  lacks: { reasoning: 'it does not read thoughts' },
  tries: aiSdk(({ baseUrl, apiKey }) => {
    const provider = createOpenAI({ baseURL: baseUrl, apiKey });
    return (modelName) => provider.chat(modelName);
  }),
};

/** An agent that looks up orders, on a runner with this gateway. */
function agents(useResponses: boolean): TestedClient['tries'] {
  const runnerFor = ({ baseUrl, apiKey }: ClientConnection) =>
    new Runner({ modelProvider: new OpenAIProvider({ baseURL: baseUrl, apiKey, useResponses }), model });
  const find_order = agentTool({
    name: findOrder.name,
    description: findOrder.description,
    parameters: findOrder.parameters,
    strict: true,
    execute: async () => toolResult,
  });
  const agent = new Agent({ name: 'Clerk', instructions: 'Help with orders.', tools: [find_order] });
  return {
    plain: async (to) => String((await runnerFor(to).run(agent, question)).finalOutput),
    streamed: async (to) => {
      const stream = await runnerFor(to).run(agent, question, { stream: true });
      const pieces = await piecesOf(stream.toTextStream());
      await stream.completed;
      return pieces;
    },
    tools: async (to) => String((await runnerFor(to).run(agent, askForOrder)).finalOutput),
    structured: async (to) => {
      const outputType = { type: 'json_schema' as const, name: 'answer', strict: true as const, schema: answerSchema };
      const clerk = new Agent({ name: 'Clerk', instructions: 'Help with orders.', outputType });
      return (await runnerFor(to).run(clerk, question)).finalOutput as Outcomes['structured'];
    },
    error: (to) => {
      const strayed = new Agent({ name: 'Clerk', instructions: 'Help with orders.', model: unknownModel });
      return errorOf(
        new Runner({
          modelProvider: new OpenAIProvider({ baseURL: to.baseUrl, apiKey: to.apiKey, useResponses }),
        }).run(strayed, question),
      );
    },
    reasoning: async (to) => {
      const { rawResponses } = await runnerFor(to).run(agent, question);
      const items = rawResponses.flatMap(({ output }) => output).filter((item) => item.type === 'reasoning');
      return items.flatMap(({ content }) => content.map(({ text }) => text)).join('');
    },
  };
}

const agentsResponses: TestedClient = {
  name: '@openai/agents',
  language: 'TypeScript',
  version: versionOf('@openai/agents'),
  api: 'Responses',
  connect: 'new OpenAIProvider({ baseURL, apiKey })',
  lacks: {},
  tries: agents(true),
};

const agentsChat: TestedClient = {
  ...agentsResponses,
  api: 'Chat completions',
  connect: 'new OpenAIProvider({ baseURL, apiKey, useResponses: false })',
  lacks: { reasoning: 'it does not read reasoning_content' },
  tries: agents(false),
};

function langChain(useResponsesApi: boolean): TestedClient['tries'] {
  const connect = ({ baseUrl, apiKey }: ClientConnection, modelName = model) =>
    new ChatOpenAI({ model: modelName, apiKey, configuration: { baseURL: baseUrl }, useResponsesApi });
  const textOf = ({ text }: { readonly text: string }): string => text;
  return {
    plain: async (to) => textOf(await connect(to).invoke(question)),
    streamed: async (to) => {
      const stream: AsyncIterable<AIMessageChunk> = await connect(to).stream(question);
      const pieces: string[] = [];
      for await (const chunk of stream) if (textOf(chunk) !== '') pieces.push(textOf(chunk));
      return pieces;
    },
    tools: async (to) => {
      const clerk = connect(to).bindTools([findOrderTool]);
      const asked = new HumanMessage(askForOrder);
      const answer = await clerk.invoke([asked]);
      const results = (answer.tool_calls ?? []).map(
        ({ id = '' }) => new ToolMessage({ content: toolResult, tool_call_id: id }),
      );
      if (!(answer instanceof AIMessage)) throw new Error('That is no answer.');
      return textOf(await clerk.invoke([asked, answer, ...results]));
    },
    structured: (to) =>
      connect(to)
        .withStructuredOutput<Outcomes['structured']>(answerSchema, { name: 'answer', method: 'jsonSchema' })
        .invoke(question),
    error: (to) => errorOf(connect(to, unknownModel).invoke(question)),
    reasoning: async (to) => {
      const { contentBlocks } = await connect(to).invoke(question);
      return contentBlocks.map((block) => (block.type === 'reasoning' ? block.reasoning : '')).join('');
    },
  };
}

const langChainChat: TestedClient = {
  name: 'LangChain, ChatOpenAI',
  language: 'TypeScript',
  version: versionOf('@langchain/openai'),
  api: 'Chat completions',
  connect: 'new ChatOpenAI({ model, apiKey, configuration: { baseURL } })',
  lacks: { reasoning: 'ChatOpenAI does not read thoughts' },
  tries: langChain(false),
};

const langChainResponses: TestedClient = {
  ...langChainChat,
  api: 'Responses',
  connect: 'new ChatOpenAI({ model, apiKey, configuration: { baseURL }, useResponsesApi: true })',
  lacks: {},
  tries: langChain(true),
};

export const typescriptClients: readonly TestedClient[] = [
  completions,
  responses,
  aiSdkCompatible,
  aiSdkChat,
  aiSdkResponses,
  agentsChat,
  agentsResponses,
  langChainChat,
  langChainResponses,
];
