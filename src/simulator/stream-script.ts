/** A streamed answer as the list of what is sent and when: a fault is another list. */
import type { Answer } from './answer';
import type { Fault, ModelBehaviour } from './behaviour';
import type { CompletionBody } from './completion';
import { answerPieces } from './stream-pieces';

interface StreamStep {
  /** Milliseconds after the step before it. */
  readonly afterMs: number;
  /** As it goes over the wire. */
  readonly text: string;
  /** Tokens that the model has said once this is sent. */
  readonly completionTokens: number;
}

export interface StreamScript {
  readonly steps: readonly StreamStep[];
  /** What the provider does then. */
  readonly ending: 'end' | 'reset' | 'stay-open';
  readonly outcome: 'answered' | 'faulty';
  /** The step before which the outcome is certain; null when it is the client that ends the call. */
  readonly decidedAt: number | null;
}

/** Faults that are not sent as a list of chunks; `sendFaultyAnswer` sends them. */
export type WholeBodyFault = Extract<Fault, { kind: 'html' | 'large-body' | 'slow-body' | 'json-instead-of-stream' }>;
export type ScriptedFault = Exclude<Fault, WholeBodyFault | { kind: 'status' | 'reset' | 'silence' }>;

/** What is sent to a call with `stream: true`. */
export function streamScript(
  body: CompletionBody,
  answer: Answer,
  behaviour: Pick<ModelBehaviour, 'firstTokenMs' | 'pieceGapMs'>,
  includeUsage: boolean,
  fault: ScriptedFault | null,
): StreamScript {
  const { usage, ...envelope } = { ...body, object: 'chat.completion.chunk' };
  const chunk = (delta: object, finishReason: string | null, completionTokens: number, afterMs = 0): StreamStep => {
    const choices = [{ index: 0, delta, finish_reason: finishReason }];
    return { afterMs, text: eventOf({ ...envelope, choices }), completionTokens };
  };
  const all = answer.completionTokens;
  const hasTools = answer.toolCalls.length > 0;
  const role = chunk({ role: 'assistant', content: hasTools ? null : '' }, null, 0);
  const firstTokenMs = fault?.kind === 'late-first-token' ? fault.ms : behaviour.firstTokenMs;
  const said = answerPieces(answer).map(({ delta, completionTokens }, index) => {
    const afterMs = index === 0 ? firstTokenMs : behaviour.pieceGapMs;
    return chunk(delta, null, completionTokens, afterMs);
  });
  const finish = chunk({}, answer.finishReason, all);
  const usageStep = { afterMs: 0, text: eventOf({ ...envelope, choices: [], usage }), completionTokens: all };
  const usageSteps = includeUsage ? [usageStep] : [];
  const done = { afterMs: 0, text: 'data: [DONE]\n\n', completionTokens: all };

  const whole = (
    steps: readonly StreamStep[],
    outcome: StreamScript['outcome'],
    ending: StreamScript['ending'] = 'end',
  ) => ({ steps, ending, outcome, decidedAt: Math.max(0, steps.indexOf(finish)) }) as const;
  const broken = (steps: readonly StreamStep[], ending: StreamScript['ending']) =>
    ({ steps, ending, outcome: 'faulty', decidedAt: ending === 'stay-open' ? null : steps.length - 1 }) as const;

  if (fault === null || fault.kind === 'late-first-token')
    return whole([role, ...said, finish, ...usageSteps, done], 'answered');
  const cutAt = 'afterTokens' in fault ? piecesWithin(said, fault.afterTokens ?? all / 2) : piecesWithin(said, all / 2);
  const beginning = [role, ...said.slice(0, cutAt)];
  switch (fault.kind) {
    case 'reset-mid-body':
      return broken(beginning, 'reset');
    case 'cut':
      return broken(beginning, 'end');
    case 'stall':
      return broken(beginning, 'stay-open');
    case 'error-in-body':
      return broken([...beginning, { ...stepAfter(beginning), text: eventOf(errorBody(fault)) }], 'end');
    case 'invalid-json': {
      const [next = finish, ...rest] = said.slice(cutAt);
      const half = `${next.text.slice(0, next.text.length / 2).trimEnd()}\n\n`;
      return whole([...beginning, { ...next, text: half }, ...rest, finish, ...usageSteps, done], 'faulty');
    }
    case 'no-choices':
      return broken([...usageSteps, done], 'end');
    case 'null-content':
      return broken(
        [chunk({ role: 'assistant', content: null }, null, 0), chunk({}, fault.finishReason ?? 'stop', all), done],
        'end',
      );
    case 'no-usage':
      return whole([role, ...said, finish, done], 'faulty');
    case 'no-done':
      break;
  }
  const end = fault.withUsage === false ? [] : usageSteps;
  return whole([role, ...said, finish, ...end], 'answered', fault.staysOpen ? 'stay-open' : 'end');
}

export function errorBody({ message, type, code }: Extract<Fault, { kind: 'error-in-body' }>) {
  const words = message ?? 'The server had an error while processing your request.';
  return { error: { message: words, type: type ?? 'server_error', param: null, code: code ?? null } };
}

function eventOf(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** How many pieces there are until `tokens` are said. */
function piecesWithin(said: readonly StreamStep[], tokens: number): number {
  const index = said.findIndex(({ completionTokens }) => completionTokens >= tokens);
  if (tokens <= 0) return 0;
  return index < 0 ? said.length : index + 1;
}

function stepAfter(steps: readonly StreamStep[]): Omit<StreamStep, 'text'> {
  return { afterMs: 0, completionTokens: steps.at(-1)?.completionTokens ?? 0 };
}
