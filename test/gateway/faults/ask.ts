import type { Completion } from '../../../src/gateway/completion';
import type { ErrorFields } from '../../../src/gateway/gateway-error';
import type { GatewayService } from '../gateway-service';
import { allEvents, chunksOf, textOf } from '../read-stream';

export type Manner = 'plain' | 'streamed';
export const manners: readonly Manner[] = ['plain', 'streamed'];

/** What a caller got, however it asked. */
export interface Asked {
  readonly turnId: string;
  readonly status: number;
  /** All text that came. */
  readonly content: string;
  readonly error: ErrorFields | null;
  /** null where none came: then nothing may look like a whole answer. */
  readonly finishReason: string | null;
  readonly model: string | null;
  /** The target, by its role. */
  readonly answeredBy: string | null;
  readonly attempts: number | null;
  readonly costUsd: number | null;
  readonly usage: Completion['usage'] | null;
  /** Everything that came, for what must not be in it. */
  readonly raw: string;
}

type Answer = Omit<Asked, 'turnId' | 'status'>;

/** Asks once, and checks what holds for every answer: it is whole, or an error in the contract's shape, and never both. */
export async function ask(
  setting: GatewayService,
  manner: Manner,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Asked> {
  const response = await setting.call(
    '/v1/chat/completions',
    manner === 'plain' ? body : { ...body, stream: true, stream_options: { include_usage: true } },
    headers,
  );
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
  const answer = await (isStream ? readStreamed(response) : readPlain(response));
  const turnId = response.headers.get('x-bellwether-turn-id') ?? '';
  const asked = { ...answer, turnId, status: response.status };

  expect(response.headers.get('x-request-id')).toEqual(expect.any(String));
  if (asked.error === null) {
    expect(asked.finishReason).toEqual(expect.any(String));
    expect(await storedAnswer(setting, turnId)).toBe(asked.content);
  } else {
    expect(asked.finishReason).toBeNull();
    expect(asked.error).toMatchObject({
      message: expect.any(String),
      type: expect.any(String),
      code: expect.any(String),
    });
    expect(asked.error).toHaveProperty('param');
  }
  return asked;
}

export async function storedAnswer(setting: Pick<GatewayService, 'call'>, turnId: string): Promise<string | null> {
  const { completion } = (await (await setting.call(`/v1/turns/${turnId}`)).json()) as {
    completion: Completion | null;
  };
  return completion?.choices[0]?.message.content ?? null;
}

async function readPlain(response: Response): Promise<Answer> {
  const raw = await response.text();
  if (response.status !== 200) return failedWith((JSON.parse(raw) as { error: ErrorFields }).error, '', raw);
  const { choices, model, usage, bellwether } = JSON.parse(raw) as Completion;
  const [choice] = choices;
  return {
    content: choice?.message.content ?? '',
    error: null,
    finishReason: choice?.finish_reason ?? null,
    model,
    answeredBy: bellwether.provider,
    attempts: bellwether.attempts,
    costUsd: bellwether.cost_usd,
    usage,
    raw,
  };
}

async function readStreamed(response: Response): Promise<Answer> {
  const events = (await allEvents(response)).filter(({ data }) => data !== null);
  const raw = JSON.stringify(events);
  const chunks = chunksOf(events);
  const last = chunks.at(-1);
  const finishReason = chunks.map(({ choices }) => choices[0]?.finish_reason ?? null).find((reason) => reason !== null);
  const ending = events.at(-1)?.data;
  if (typeof ending === 'object' && ending !== null && 'error' in ending) {
    expect(events.some(({ data }) => data === '[DONE]')).toBe(false);
    return { ...failedWith(ending.error, textOf(events), raw), finishReason: finishReason ?? null };
  }
  expect(ending).toBe('[DONE]');
  expect(events.filter(({ data }) => data === '[DONE]')).toHaveLength(1);
  return {
    content: textOf(events),
    error: null,
    finishReason: finishReason ?? null,
    model: last?.model ?? null,
    answeredBy: last?.bellwether?.provider ?? null,
    attempts: last?.bellwether?.attempts ?? null,
    costUsd: last?.bellwether?.cost_usd ?? null,
    usage: last?.usage ?? null,
    raw,
  };
}

function failedWith(error: ErrorFields, content: string, raw: string): Answer {
  const nothing = { finishReason: null, model: null, answeredBy: null, attempts: null, costUsd: null, usage: null };
  return { ...nothing, content, error, raw };
}
