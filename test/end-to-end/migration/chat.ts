import { randomBytes } from 'node:crypto';
import type { Completion } from '../../../src/gateway/completion';
import { allEvents, chunksOf, textOf } from '../../gateway/read-stream';
import type { GatewayService } from '../../gateway/gateway-service';
import { unique } from '../../support/temporal';
import { digestOf } from './model';

type Message = Readonly<Record<string, unknown>>;
type Call = Message & { readonly id: string };
type Facts = NonNullable<Completion['bellwether']>;

interface Answer {
  readonly content: string | null;
  readonly calls: readonly Call[];
}

export interface ChatOptions {
  readonly userId: string;
  readonly inSession: boolean;
  readonly streamed: boolean;
}

const cached = { cache_control: { type: 'ephemeral' } };

const tools = ['find_order', 'find_parcel'].map((name) => ({
  type: 'function',
  function: { name, description: 'Looks it up.', parameters: { type: 'object', properties: {} } },
  ...(name === 'find_parcel' && cached),
}));

/** Long enough to be worth a cache. */
const policy = 'You answer for a shop. '.repeat(20);

const system: Message = {
  role: 'system',
  content: [{ type: 'text', text: policy, ...cached }],
};

export function newImage(): string {
  return randomBytes(300).toString('base64');
}

/** One conversation of a user with the gateway, as an application has it: with its tools and its images. */
export class Chat {
  /** The arms that answered, in order. */
  readonly arms: string[] = [];
  readonly turnIds: string[] = [];
  private readonly sessionId = unique('session');
  private readonly history: Message[] = [system];
  private readonly images: string[] = [];
  private reference = '';
  private open: readonly Call[] = [];

  constructor(
    private readonly setting: GatewayService,
    private readonly options: ChatOptions,
  ) {}

  /** Asks with the images, and awaits what the model sees: these and the earlier ones. */
  async ask(question: string, ...images: readonly string[]): Promise<void> {
    const content = this.questionOf(question, images);
    const answer = await this.send({ role: 'user', content });
    expect(answer).toMatchObject({ calls: [], content: this.expected('') });
  }

  /** Asks what the model needs its tools for, and leaves its calls open. */
  async askForTools(question: string, ...images: readonly string[]): Promise<void> {
    await this.expectCalls(await this.send({ role: 'user', content: this.questionOf(`look up ${question}`, images) }));
  }

  /** The tools have found nothing yet, so the model calls them again. */
  async sendNothingYet(): Promise<void> {
    await this.expectCalls(await this.send(...this.resultsOf(() => 'not yet')));
  }

  async sendResults(): Promise<void> {
    const results = this.open.map((_call, index) => `result ${index} for ${this.reference}`);
    const answer = await this.send(...this.resultsOf((index) => results[index] ?? ''));
    expect(answer).toMatchObject({ calls: [], content: this.expected(results.join(', ')) });
  }

  private questionOf(question: string, images: readonly string[]): unknown {
    this.reference = `[ref:${unique('turn')}]`;
    this.images.push(...images);
    const asked = `${question} ${this.reference}`;
    if (images.length === 0) return asked;
    const parts = images.map((data) => ({
      type: 'image_url',
      image_url: { url: `data:image/png;base64,${data}` },
    }));
    return [{ type: 'text', text: asked }, ...parts];
  }

  private resultsOf(content: (index: number) => string): Message[] {
    return this.open.map(({ id }, index) => ({ role: 'tool', tool_call_id: id, content: content(index) }));
  }

  private async expectCalls({ content, calls }: Answer): Promise<void> {
    expect(content ?? '').toBe('');
    expect(calls.length).toBeGreaterThan(0);
    for (const { function: called } of calls) {
      expect(JSON.parse((called as { arguments: string }).arguments)).toMatchObject({ reference: this.reference });
    }
    this.open = calls;
  }

  private expected(results: string): string {
    const seen = this.images.map(digestOf).join(' ') || 'nothing';
    return `${this.reference} The tools say: ${results}. I see ${seen}.`;
  }

  private async send(...messages: readonly Message[]): Promise<Answer> {
    const { inSession, streamed, userId } = this.options;
    const isFirst = this.arms.length === 0;
    const told = inSession ? (isFirst ? [system, ...messages] : messages) : [...this.history, ...messages];
    const response = await this.setting.call(
      '/v1/chat/completions',
      {
        model: 'bellwether',
        user: userId,
        messages: told,
        tools,
        max_tokens: 2_000,
        reasoning_effort: 'high',
        ...(streamed && { stream: true, stream_options: { include_usage: true } }),
      },
      inSession ? { 'x-bellwether-session': this.sessionId } : {},
    );
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    const { message, facts } = streamed ? await readStream(response) : await readWhole(response);
    this.history.push(...messages, message);
    this.arms.push(String(facts.handler));
    this.turnIds.push(facts.turn_id);
    const { content = null, tool_calls: calls = [] } = message;
    return { content: content as string | null, calls: calls as readonly Call[] };
  }
}

async function readWhole(response: Response): Promise<{ readonly message: Message; readonly facts: Facts }> {
  const { choices, bellwether } = (await response.json()) as Completion;
  return { message: choices[0]?.message ?? {}, facts: bellwether };
}

/** The message as a client puts it together, to send it back in the next request. */
async function readStream(response: Response): Promise<{ readonly message: Message; readonly facts: Facts }> {
  const events = await allEvents(response);
  const chunks = chunksOf(events);
  const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
  const calls = deltas.flatMap(({ tool_calls: some = [] }) => some.map(({ index: _place, ...call }) => call));
  const thoughts = deltas.map(({ reasoning_content: thought = '' }) => thought).join('');
  const facts = chunks.at(-1)?.bellwether;
  if (facts === undefined || events.at(-1)?.data !== '[DONE]') throw new Error(JSON.stringify(events.slice(-2)));
  const content = textOf(events);
  return {
    message: {
      role: 'assistant',
      content: content === '' ? null : content,
      ...(thoughts !== '' && { reasoning_content: thoughts }),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
    facts,
  };
}
