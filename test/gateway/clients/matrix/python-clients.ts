import { type PythonProgram } from '../../../support/python';
import { pythonSets, type PythonSet } from '../../../support/python-packages';
import { type ClientConnection, type Feature, features, type TestedClient, type Tries } from './features';

/** A client in Python, which a program tries for us. */
export interface PythonClient extends TestedClient {
  readonly set: PythonSet;
}

interface Described extends Pick<TestedClient, 'name' | 'api' | 'connect'> {
  readonly set?: PythonSet;
  readonly package: string;
  readonly lacks?: TestedClient['lacks'];
}

/** The programs that run, by their set. */
export type PythonPrograms = (set: PythonSet, connection: ClientConnection) => PythonProgram;

export function pythonClients(programs: PythonPrograms): readonly PythonClient[] {
  return described.map(({ set = 'clients', package: packageName, lacks = {}, ...rest }) => {
    const attempt = async (feature: Feature, connection: ClientConnection): Promise<unknown> => {
      const order = { client: `${packageName} ${rest.api}`, feature };
      const outcome = (await programs(set, connection).ask(order)) as { result?: unknown; failed?: string };
      if (outcome.failed !== undefined) throw new Error(outcome.failed);
      return outcome.result;
    };
    const tries = Object.fromEntries(
      features.map((feature) => [feature, (connection: ClientConnection) => attempt(feature, connection)]),
    ) as unknown as Tries;
    return { ...rest, set, language: 'Python', version: pinned(set, packageName), lacks, tries };
  });
}

function pinned(set: PythonSet, packageName: string): string {
  const entry = pythonSets[set].find((each) => each.replace(/\[.*\]/, '').startsWith(`${packageName}==`));
  if (entry === undefined) throw new Error(`No set of packages has ${packageName}.`);
  return entry.split('==')[1] ?? '';
}

const byEnvironment = 'OPENAI_BASE_URL, OPENAI_API_KEY';

const described: readonly Described[] = [
  { name: 'openai', package: 'openai', api: 'Chat completions', connect: byEnvironment },
  { name: 'openai', package: 'openai', api: 'Responses', connect: byEnvironment },
  {
    name: 'openai-agents',
    package: 'openai-agents',
    api: 'Chat completions',
    connect: `${byEnvironment}; set_default_openai_api("chat_completions")`,
  },
  { name: 'openai-agents', package: 'openai-agents', api: 'Responses', connect: byEnvironment },
  {
    name: 'Pydantic AI',
    package: 'pydantic-ai-slim',
    api: 'Chat completions',
    connect: `${byEnvironment}; Agent("openai-chat:bellwether")`,
  },
  {
    name: 'Pydantic AI',
    package: 'pydantic-ai-slim',
    api: 'Responses',
    connect: `${byEnvironment}; Agent("openai:bellwether")`,
  },
  {
    name: 'LangChain, ChatOpenAI',
    package: 'langchain-openai',
    api: 'Chat completions',
    connect: byEnvironment,
    lacks: { reasoning: 'ChatOpenAI does not read thoughts' },
  },
  {
    name: 'LangChain, ChatOpenAI',
    package: 'langchain-openai',
    api: 'Responses',
    connect: `${byEnvironment}; use_responses_api=True`,
  },
  {
    name: 'LlamaIndex, OpenAI',
    package: 'llama-index-llms-openai',
    set: 'llama-index',
    api: 'Chat completions',
    connect: 'OPENAI_API_BASE, OPENAI_API_KEY; an alias that is one of OpenAI’s model names',
    lacks: { reasoning: 'OpenAI does not read thoughts' },
  },
  {
    name: 'LlamaIndex, OpenAIResponses',
    package: 'llama-index-llms-openai',
    set: 'llama-index',
    api: 'Responses',
    connect: 'OPENAI_API_BASE, OPENAI_API_KEY; an alias that is one of OpenAI’s model names',
  },
];
