/** The requests of Open WebUI and LibreChat, in the order in which they send them. */
import * as fc from 'fast-check';
import type { ChatMessage, Transcript } from '../../src/contract/chat';
import { limits } from '../../src/contract/limits';
import { chatTurnWorkflowType, conversationWorkflowId } from '../../src/contract/names';
import { messageText } from '../../src/domain/turn/messages';
import { toUsd } from '../../src/domain/turn/prices';
import type { Completion } from '../../src/gateway/completion';
import { startRecordingProvider, type RecordedRequest, type RecordingProvider } from '../support/recording-provider';
import { unique } from '../support/temporal';
import { type GatewayService, startGatewayService } from './gateway-service';
import { allEvents, textOf } from './read-stream';

let provider: RecordingProvider;
let setting: GatewayService;
beforeAll(async () => {
  provider = await startRecordingProvider(({ messages }) => (isRefused(messages) ? 400 : 200), answerTo);
  setting = await startGatewayService({ environment: { HOLYSHEEP_BASE_URL: provider.baseUrl } });
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
});

/** Long enough to be known where it is quoted. */
function answerTo({ messages }: RecordedRequest, count: number): string {
  if (Array.isArray(messages.at(-1)?.content)) return 'Yes.';
  return messages.at(-1)?.role === 'assistant' ? ' and the rest of it.' : `This is the model's answer ${count}.`;
}

const refused = 'What no model takes.';
const isRefused = (messages: readonly ChatMessage[]) => messages.at(-1)?.content === refused;

const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content });

const picture = (url: string): ChatMessage => ({
  role: 'user',
  content: [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url } },
  ],
});

interface Application {
  readonly header: string;
  readonly isStreaming: boolean;
  readonly title: (question: string, answer: string) => string;
}

const quoted = (question: string, answer: string) =>
  `### Chat History:\n<chat_history>\nUSER: ${question}\nASSISTANT: ${answer}\n</chat_history>`;

const openWebUi: Application = {
  header: 'x-openwebui-chat-id',
  isStreaming: true,
  title: (question, answer) =>
    `### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n${quoted(question, answer)}`,
};
const libreChat: Application = {
  header: 'x-librechat-conversation-id',
  isStreaming: false,
  title: (question, answer) =>
    `Provide a concise, 5-word-or-less title for the conversation, using title case conventions. Only return the title itself.\n\nConversation:\nUser: ${question}\nAI: ${answer}`,
};
const applications = [
  ['Open WebUI', openWebUi],
  ['LibreChat', libreChat],
] as const;

/** One conversation of an application, as many tabs as there are. */
class Chat {
  readonly id = unique('chat');

  constructor(
    private readonly application: Application,
    private readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  /** The messages of a branch, ending with the model's answer. */
  async ask(...messages: readonly ChatMessage[]): Promise<readonly ChatMessage[]> {
    const answer = await this.send(messages);
    const last = messages.at(-1);
    // An answer that is continued is shown as one.
    if (last?.role === 'assistant') return [...messages.slice(0, -1), assistant(`${messageText(last)}${answer}`)];
    return [...messages, assistant(answer)];
  }

  /** The same, and looks whether the model was sent what the application shows its user. */
  async say(...messages: readonly ChatMessage[]): Promise<readonly ChatMessage[]> {
    const branch = await this.ask(...messages);
    expect(provider.requests.at(-1)?.messages).toEqual(messages);
    return branch;
  }

  async send(messages: readonly ChatMessage[], headers: Readonly<Record<string, string>> = {}): Promise<string> {
    const { isStreaming } = this.application;
    const response = await this.post(messages, headers);
    if (isStreaming) return textOf(await allEvents(response));
    const { choices } = (await response.json()) as Completion;
    return choices[0]?.message.content ?? '';
  }

  post(messages: readonly ChatMessage[], headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const { header, isStreaming } = this.application;
    const body = { model: 'bellwether', messages, stream: isStreaming };
    return setting.call('/v1/chat/completions', body, { [header]: this.id, ...this.headers, ...headers });
  }

  async transcript(): Promise<Transcript> {
    return setting.service.client.transcript(`${setting.key.split('_')[1]}.${this.id}`);
  }

  /** The new messages of each turn that is remembered. */
  async remembered(): Promise<readonly string[]> {
    const { turns } = await this.transcript();
    return turns.map(({ userContent, messages }) =>
      messages === undefined ? userContent : messages.map(({ content }) => JSON.stringify(content)).join(),
    );
  }
}

describe.each(applications)('%s', (name, application) => {
  const chat = () => new Chat(application);

  test('a conversation goes on with what its user sees, and nothing is sent or remembered twice', async () => {
    const shown = chat();
    const one = await shown.say(user('Where is my order?'));
    const two = await shown.say(...one, user('And the invoice?'));
    await shown.say(...two, user('Thanks.'));
    expect(await shown.remembered()).toEqual(['Where is my order?', 'And the invoice?', 'Thanks.']);
    const { turns } = await shown.transcript();
    expect(turns.flatMap(({ branch }) => branch?.history ?? [])).toEqual([]);
  });

  test('a title, whenever it is asked for, is no part of the conversation', async () => {
    const shown = chat();
    await shown.say(user(application.title('Where is my order?', '')));
    const one = await shown.say(user('Where is my order?'));
    await shown.say(user(application.title('Where is my order?', messageText(one[1]!))));
    await shown.say(...one, user('And the invoice?'));
    expect(await shown.remembered()).toEqual(['Where is my order?', 'And the invoice?']);
  });

  test.each([
    [
      'tells the conversation',
      (question: string, answer: string) => `Name this:\nUSER: ${question}\nASSISTANT: ${answer}`,
    ],
    ['tells the question', (question: string) => `Find a name for it.\n\nUser: ${question}`],
    ['tells the answer', (_: string, answer: string) => `Wie soll das Gespräch heißen? """${answer}"""`],
  ])('a task in words of its own, which %s, is no part of the conversation', async (_, task) => {
    const shown = chat();
    const one = await shown.say(user('Where is my order?'));
    await shown.say(user(task('Where is my order?', messageText(one[1]!))));
    await shown.say(...one, user('And the invoice?'));
    expect(await shown.remembered()).toEqual(['Where is my order?', 'And the invoice?']);
  });

  test('a first message that is asked again, or changed, begins the conversation anew', async () => {
    const shown = chat();
    const one = await shown.say(user('Where is my order?'));
    await shown.say(...one, user('And the invoice?'));
    const again = await shown.say(user('Where is my order?'));
    await shown.say(...again, user('And the refund?'));
    const changed = await shown.say(user('Where is my parcel?'));
    await shown.say(...changed, user('And the label?'));
    // And back to where it was.
    await shown.say(...one, user('And the receipt?'));
    const all = ['Where is my order?', 'And the invoice?', 'Where is my order?', 'And the refund?'];
    expect(await shown.remembered()).toEqual([...all, 'Where is my parcel?', 'And the label?', 'And the receipt?']);
  });

  test('a later message that is asked again, or changed, goes on from the one before it', async () => {
    const shown = chat();
    const one = await shown.say(user('Where is my order?'));
    const two = await shown.say(...one, user('And the invoice?'));
    await shown.say(...two, user('Thanks.'));
    await shown.say(...one, user('And the invoice?'));
    const changed = await shown.say(...one, user('And the receipt?'));
    await shown.say(...changed, user('Thank you.'));
    const { turns } = await shown.transcript();
    const [first] = turns;
    expect(turns.map(({ branch }) => branch?.after === first?.turnId)).toEqual([false, true, false, true, true, false]);
  });

  test('two tabs of a conversation do not hear of each other', async () => {
    const shown = chat();
    let left = await shown.say(user('Where is my order?'));
    let right = left;
    for (const turn of ['one', 'two', 'three']) {
      left = await shown.say(...left, user(`left ${turn}`));
      right = await shown.say(...right, user(`right ${turn}`));
    }
    expect(await shown.remembered()).toHaveLength(7);
  });

  test('two models that answer the same message at once do not hear of each other', async () => {
    const shown = chat();
    const before = provider.requests.length;
    const [one, other] = await Promise.all([shown.ask(user('Where is it?')), shown.ask(user('Where is it?'))]);
    expect(provider.requests.slice(before).map(({ messages }) => messages.length)).toEqual([1, 1]);
    await shown.say(...one, user('And now?'));
    await shown.say(...other, user('And now?'));
  });

  test('an answer that is continued is one answer', async () => {
    const shown = chat();
    const one = await shown.say(user('Tell me all.'));
    const whole = await shown.say(...one);
    expect(whole.at(-1)?.content).toContain('and the rest of it.');
    const two = await shown.say(...whole, user('Go on.'));
    await shown.say(...two);
    const { turns } = await shown.transcript();
    expect(turns.map(({ branch }) => branch?.history)).toEqual([undefined, undefined, undefined, undefined]);
  });

  test('an answer that its user has changed, or stopped, is what the conversation goes on with', async () => {
    const shown = chat();
    const [question] = await shown.say(user('Where is my order?'));
    const changed = [question!, assistant('This is')];
    const two = await shown.say(...changed, user('And the invoice?'));
    await shown.say(...two, user('Thanks.'));
  });

  test('a message that no model answered is left out when it is asked again, and told when it is not', async () => {
    const shown = chat();
    const one = await shown.say(user('Where is my order?'));
    await (await shown.post([...one, user(refused)])).text();
    expect(provider.requests.at(-1)?.messages).toEqual([...one, user(refused)]);
    await shown.say(...one, user('And the invoice?'));
    await shown.say(...one, user(refused), user('And the refund?'));
  });

  test('a conversation whose beginning its user deletes goes on without it', async () => {
    const shown = chat();
    const one = await shown.say(user('Where is my order?'));
    const two = await shown.say(...one, user('And the invoice?'));
    const three = await shown.say(...two.slice(2), user('And the refund?'));
    await shown.say(...three, user('Thanks.'));
  });

  test('a long conversation that begins here is known whole', async () => {
    const shown = chat();
    const long = ['a', 'b', 'c'].flatMap((letter) => [user(letter.repeat(50_000)), assistant('I see.')]);
    const one = await shown.say(...long, user('And now?'));
    await shown.say(...one, user('Thanks.'));
  });

  test('the same question about another picture is another conversation', async () => {
    const shown = chat();
    const inline = (byte: number) => `data:image/jpeg;base64,${Buffer.alloc(100, byte).toString('base64')}`;
    const one = await shown.say(picture(inline(1)));
    await shown.say(picture(inline(2)));
    await shown.say(...one, user('Which colour?'));
  });

  test('white space, thoughts and images that come back otherwise make no other conversation', async () => {
    const shown = chat();
    const [, answer] = await shown.say(picture('https://example.com/cat.png'));
    const told = assistant(`<think>\nA cat.\n</think>\n\n${messageText(answer!)}  \n`);
    await shown.ask(picture('https://example.com/cat-small.png'), told, user('And whose?'));
    const { turns } = await shown.transcript();
    expect(turns[1]?.branch).toEqual({ after: turns[0]?.turnId });
    expect(provider.requests.at(-1)?.messages).toHaveLength(3);
  });

  test('a request that is wrong, or came before, asks nobody what the conversation remembers', async () => {
    const shown = chat();
    const outline = jest.spyOn(setting.service.client, 'outline');
    const key = { 'idempotency-key': unique('key') };
    expect((await shown.post([user('Hello')], { 'idempotency-key': 'not one' })).status).toBe(400);
    const odd = { role: 'user', content: [{ type: 'sound' }] } as unknown as ChatMessage;
    expect((await shown.post([odd])).status).toBe(400);
    expect(outline).not.toHaveBeenCalled();
    const first = await shown.send([user('Hello')], key);
    expect(await shown.send([user('Hello')], key)).toBe(first);
    expect(outline).toHaveBeenCalledTimes(1);
    outline.mockRestore();
  });

  test('a system prompt that changes holds for what comes with it', async () => {
    const shown = chat();
    const system = (content: string): ChatMessage => ({ role: 'system', content });
    const one = await shown.say(system('It is Monday.'), user('What day is it?'));
    const two = await shown.say(system('It is Tuesday.'), ...one.slice(1), user('And now?'));
    await shown.say(...two.slice(1), user('And without?'));
  });

  test(`a message of ${name} that comes twice with one key is one turn, also after the conversation went on`, async () => {
    const shown = chat();
    const one = await shown.ask(user('Where is my order?'));
    const key = { 'idempotency-key': unique('key') };
    const changed = [user('Where is my parcel?')];
    const [first, second] = await Promise.all([shown.send(changed, key), shown.send(changed, key)]);
    await shown.say(...one, user('And the invoice?'));
    expect([second, await shown.send(changed, key)]).toEqual([first, first]);
    expect(await shown.remembered()).toHaveLength(3);
  });
});

const tasks = [
  [
    'queries',
    'Analyze the chat history to determine the necessity of generating search queries, in the given language.',
  ],
  ['a title', 'Generate a concise, 3-5 word title with an emoji summarizing the chat history.'],
  [
    'tags',
    'Generate 1-3 broad tags categorizing the main themes of the chat history, along with 1-3 more specific subtopic tags.',
  ],
  [
    'follow-up questions',
    'Suggest 3-5 relevant follow-up questions or prompts that the user might naturally ask next in this conversation as a **user**.',
  ],
  [
    'a completion',
    'You are an autocompletion system. Continue the text in `<text>` based on the **completion type** in `<type>`.',
  ],
] as const;

test.each(tasks)(
  'Open WebUI asks for %s before the first message and after it, and nobody remembers it',
  async (_, task) => {
    const shown = new Chat(openWebUi);
    const ask = (question: string, answer: string) =>
      shown.say(user(`### Task:\n${task}\n${quoted(question, answer)}`));
    await ask('Where is my order?', '');
    const one = await shown.say(user('Where is my order?'));
    await ask('Where is my order?', messageText(one[1]!));
    await shown.say(...one, user('And the invoice?'));
    expect(await shown.remembered()).toEqual(['Where is my order?', 'And the invoice?']);
  },
);

test.each([
  ['names the task in a header', {}, { 'x-openwebui-task': 'title_generation' }, [user('What is it about?')]],
  [
    'chooses tools for a model without calls',
    {},
    {},
    [
      { role: 'system', content: 'Available Tools: []\n\nYour task is to choose and return the correct tool(s).' },
      user('Query: Where is my order?'),
    ],
  ],
  ['has nobody speak', {}, {}, [{ role: 'system', content: 'Please generate a concise, 5-word-or-less title.' }]],
] as const)('a request that %s begins no conversation', async (_, session, headers, messages) => {
  const shown = new Chat(openWebUi, session);
  await shown.send(messages, headers);
  await shown.say(user('Where is my order?'));
  expect(await shown.remembered()).toEqual(['Where is my order?']);
});

test.each(['', '{{TASK}}'])('a task header that names none (%j) makes a message no task', async (task) => {
  const shown = new Chat(openWebUi, { 'x-openwebui-task': task });
  await shown.say(user('Where is my order?'));
  expect(await shown.remembered()).toEqual(['Where is my order?']);
});

test('a question among documents is a message of the conversation, and comes back without them', async () => {
  const shown = new Chat(openWebUi);
  const question = 'How long may I keep it?';
  const documents =
    '### Task:\nRespond to the user query using the provided context.\n<context>\n<source id="1">30 days.</source>\n</context>\n\n';
  const [, answer] = await shown.say(user(documents + question));
  await shown.ask(user(question), answer!, user('And then?'));
  const { turns } = await shown.transcript();
  expect(turns).toHaveLength(2);
  expect(turns[1]?.branch).toEqual({ after: turns[0]?.turnId });
  expect(provider.requests.at(-1)?.messages).toEqual([user(question), answer, user('And then?')]);
});

test('the memory that LibreChat keeps of its users is none of the conversation, in any of its steps', async () => {
  const shown = new Chat(libreChat);
  const one = await shown.say(user('Where is my order?'));
  const call: ChatMessage = {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'set_memory', arguments: '{}' } }],
  };
  const steps = [call, { role: 'tool', content: 'kept', tool_call_id: 'call_1' }] as const;
  const system: ChatMessage = { role: 'system', content: 'You are a memory manager.' };
  for (const beginning of ['# Current Chat:\n\n', 'Keep in mind:\n']) {
    const chat = user(`${beginning}Human: Where is my order?\nAI: On its way.`);
    await shown.say(system, chat);
    await shown.say(system, chat, ...steps);
  }
  await shown.say(...one, user('Thanks.'));
  expect(await shown.remembered()).toEqual(['Where is my order?', 'Thanks.']);
});

test('tools that an application runs go on in the branch that calls them', async () => {
  const shown = new Chat(libreChat);
  const call = (id: string): ChatMessage => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ id, type: 'function', function: { name: 'find_order', arguments: '{}' } }],
  });
  const result = (id: string): ChatMessage => ({ role: 'tool', content: 'shipped', tool_call_id: id });
  const one = await shown.say(user('Where is my order?'), call('call_1'), result('call_1'));
  const two = await shown.say(...one, user('And the other?'), call('call_2'), result('call_2'));
  await shown.say(...one, user('And the third?'), call('call_3'), result('call_3'));
  await shown.say(...two, user('Thanks.'));
});

test('a client with a session of its own that says so is understood as a chat application', async () => {
  const shown = new Chat({ ...libreChat, header: 'x-bellwether-session' }, { 'x-bellwether-history': 'whole' });
  const one = await shown.say(user('Where is my order?'));
  await shown.say(...one, user('And the invoice?'));
  await shown.say(...one, user('And the refund?'));
  await shown.say(user('Where is my parcel?'));
  const odd = await shown.post([user('Hello')], { 'x-bellwether-history': 'some' });
  expect(odd.status).toBe(400);
});

test('a client that sends only what is new goes on with the latest turn', async () => {
  const shown = new Chat({ ...libreChat, header: 'x-bellwether-session' });
  const one = await shown.ask(user('Where is my order?'));
  const two = await shown.ask(user('And the invoice?'));
  await shown.ask(user('Thanks.'));
  expect(provider.requests.at(-1)?.messages).toEqual([...one, ...two, user('Thanks.')]);
});

test('a conversation that has ended meanwhile begins anew with what the application shows', async () => {
  const shown = new Chat(openWebUi);
  const sessionId = `${setting.key.split('_')[1]}.${shown.id}`;
  const { client, temporal } = setting.service;
  const { content } = await client.send({ sessionId, content: 'Where is my order?', idleTimeoutMs: 1_000 });
  await temporal.workflow.getHandle(conversationWorkflowId(sessionId)).result();
  await shown.say(user('Where is my order?'), assistant(content), user('And the invoice?'));
  expect(await shown.remembered()).toEqual(['And the invoice?']);
  const changed = await shown.say(user('Where is my parcel?'));
  await shown.say(...changed, user('Thanks.'));
  expect(await shown.remembered()).toHaveLength(3);
});

test('a conversation whose worker cannot tell what it remembers does not keep a request', async () => {
  const shown = new Chat(openWebUi);
  const { settings, temporal } = setting.service;
  // As a conversation of an older worker, this workflow does not know the question.
  await temporal.workflow.execute(chatTurnWorkflowType, {
    workflowId: conversationWorkflowId(`${setting.key.split('_')[1]}.${shown.id}`),
    taskQueue: settings.temporal.taskQueue,
    args: [{ turnId: unique('turn'), messages: [user('Hello')] }],
  });
  const one = await shown.say(user('Where is my order?'));
  await shown.say(...one, user('And the invoice?'));
  expect(await shown.remembered()).toEqual(['And the invoice?']);
});

test('what is wrong with a message that was said before is told by its place in the request', async () => {
  const shown = new Chat(libreChat);
  const one = await shown.say(user('Where is my order?'));
  const long = user('a'.repeat(limits.maxMessageBytes + 1));
  const response = await shown.post([{ role: 'system', content: 'Be brief.' }, ...one, long]);
  expect({ status: response.status, body: await response.json() }).toMatchObject({
    status: 400,
    body: { error: { param: 'messages[3].content' } },
  });
  const odd = { role: 'user', content: [{ type: 'sound' }] } as unknown as ChatMessage;
  const changed = await shown.post([...one, odd, assistant('I see.'), user('And now?')]);
  expect(await changed.json()).toMatchObject({ error: { param: 'messages[2].content[0].type' } });
});

test('an edit makes a session no cheaper', async () => {
  const shown = new Chat(openWebUi);
  const sessionId = `${setting.key.split('_')[1]}.${shown.id}`;
  const one = await shown.say(user('Where is my order?'));
  await shown.say(...one, user('And the invoice?'));
  await shown.say(user('Where is my parcel?'));
  const { turns, cost_usd, cost_nano_usd } = await setting.service.client.spend(sessionId);
  const transcript = await shown.transcript();
  expect(turns).toBe(3);
  const nanoUsd = transcript.turns.reduce((sum, { reply }) => sum + (reply.cost_nano_usd ?? Number.NaN), 0);
  expect([cost_nano_usd, cost_usd]).toEqual([nanoUsd, toUsd(nanoUsd)]);
  const rows = await setting.service.ledger.costsBy('session', 10_000);
  expect(rows.find(({ key }) => key === sessionId)).toMatchObject({ turns: 3, attempts: 3 });
});

test('whatever its users do, a model is sent what they see', async () => {
  const step = fc.record({
    kind: fc.constantFrom('say', 'say', 'edit', 'again', 'continue', 'title', 'stop'),
    at: fc.nat(),
    text: fc.constantFrom('yes', 'no', 'Tell me more.', 'Why?'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), fc.boolean(), async (steps, isOpenWebUi) => {
      const shown = new Chat(isOpenWebUi ? openWebUi : libreChat);
      const branches: (readonly ChatMessage[])[] = [await shown.say(user('yes'))];
      for (const { kind, at, text } of steps) {
        const branch = branches[at % branches.length]!;
        const questions = branch.flatMap(({ role }, index) => (role === 'user' ? [index] : []));
        const question = questions[at % questions.length]!;
        if (branch.length > 16) continue;
        if (kind === 'title') await shown.say(user(openWebUi.title('yes', messageText(branch[1]!))));
        if (kind === 'say') branches.push(await shown.say(...branch, user(text)));
        if (kind === 'edit') branches.push(await shown.say(...branch.slice(0, question), user(text)));
        if (kind === 'again') branches.push(await shown.say(...branch.slice(0, question + 1)));
        if (kind === 'continue') branches.push(await shown.say(...branch));
        if (kind === 'stop') branches.push([...branch.slice(0, -1), assistant('This is')]);
      }
      expect((await shown.remembered()).filter((content) => content.startsWith('###'))).toEqual([]);
    }),
    { numRuns: 3 },
  );
});
