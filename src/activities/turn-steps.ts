import { limits } from '../contract/limits';
import type { StreamPiece } from '../contract/stream';
import { AnswerSoFar } from '../domain/stream/answer-so-far';
import { measurePrompt } from '../domain/turn/measure-text';
import { toUsd } from '../domain/turn/prices';
import { attributes, spanNames } from '../tracing/names';
import { noSpans, withSpan } from '../tracing/spans';
import type {
  Admission,
  CallOutcome,
  ModelCallInput,
  OpenTurnInput,
  RecordStoppedInput,
  RecordTurnInput,
  Refused,
  StoppedTurn,
  TurnTotals,
} from '../contract/turn';
import { admitTurn } from './admit-turn';
import type { ActivityDependencies } from './dependencies';
import { makeAttempt } from './make-attempt';
import { RecentLatency } from './target-health';
import { spanAttributes } from './turn-tags';

type Admitted = Extract<Admission, { kind: 'admitted' }>;

/** The first call of an admitted turn, with the reservation that its admission made; null for an arm without targets. */
export function firstCallOf(
  input: OpenTurnInput,
  { arm, ticket, targets, deadlineAtMs, ownDeadlineAtMs = deadlineAtMs, tags }: Admitted,
): ModelCallInput | null {
  const [target] = targets;
  return target === undefined
    ? null
    : {
        ...input,
        arm,
        target,
        ticket,
        deadlineAtMs: ownDeadlineAtMs,
        firstCallDeadlineAtMs: deadlineAtMs,
        earlierCalls: 0,
        ...(tags && { tags }),
      };
}

/** Settles the answer and writes the turn's outcome. */
export function recordTurn(
  { ledger, policy, spans = noSpans }: Pick<ActivityDependencies, 'ledger' | 'policy' | 'spans'>,
  { turnId, answer, error, tags }: RecordTurnInput,
): Promise<TurnTotals> {
  const outcome = answer ? 'answered' : 'degraded';
  const newSpan = {
    name: spanNames.record,
    parent: tags?.trace,
    attributes: { ...spanAttributes(turnId, tags), [attributes.outcome]: outcome },
  };
  return withSpan(spans, newSpan, async (span) => {
    const totals = await ledger.recordTurn({
      turnId,
      outcome,
      target: answer?.target ?? null,
      rescuedBy: answer?.rescuedBy ?? null,
      model: answer?.model ?? null,
      error,
      flags: answer?.flags,
      settlements: answer ? [answer.settlement] : [],
      dayCapNanoUsd: policy.budgets.dayNanoUsd,
    });
    span.setAttribute(attributes.cost, toUsd(totals.costNanoUsd));
    return totals;
  });
}

/** Ends a turn that somebody stopped. What its readers have been shown of the answer stays in the conversation. */
export async function recordStopped(
  { ledger, policy, streams, spans = noSpans }: Pick<ActivityDependencies, 'ledger' | 'policy' | 'streams' | 'spans'>,
  { turnId, delivery, tags }: RecordStoppedInput,
): Promise<Pick<StoppedTurn, 'content' | 'totals'>> {
  const newSpan = {
    name: spanNames.record,
    parent: tags?.trace,
    attributes: { ...spanAttributes(turnId, tags), [attributes.outcome]: 'stopped' },
  };
  return withSpan(spans, newSpan, async (span) => {
    const totals = await ledger.recordTurn({
      turnId,
      outcome: 'stopped',
      target: null,
      model: null,
      error: 'The turn was stopped.',
      settlements: [],
      dayCapNanoUsd: policy.budgets.dayNanoUsd,
    });
    span.setAttribute(attributes.cost, toUsd(totals.costNanoUsd));
    return { content: delivery === 'streamed' ? shownText(await streams.pieces(turnId)) : '', totals };
  });
}

/** In JSON, a character takes six bytes at most. */
const maxShownLength = limits.maxAnswerBytes / 6;

function shownText(pieces: readonly StreamPiece[]): string {
  const answer = new AnswerSoFar();
  for (const piece of pieces) answer.take(piece);
  return answer.text.slice(0, maxShownLength);
}

/** What `RecentLatency` knows before any call. */
const nothingKnown = new RecentLatency();

export interface FirstCall {
  readonly kind: 'called';
  readonly call: ModelCallInput;
  readonly outcome: CallOutcome;
}

/**
 * A turn without a workflow, up to its first call; `recordTurn` ends it. The same admission and the same call, but nothing
 * is tried again, and nothing survives this process: for loads and comparisons.
 */
export async function admitAndCall(
  dependencies: ActivityDependencies,
  question: Omit<OpenTurnInput, 'prompt'>,
  signal?: AbortSignal,
): Promise<Refused | FirstCall> {
  const input = { ...question, prompt: measurePrompt(question.messages, question.modelOptions) };
  const admission = await admitTurn(dependencies, nothingKnown, input);
  if (admission.kind === 'refused') return admission;
  if (admission.kind !== 'admitted') throw new Error(`Turn ${input.turnId} has ended before. Use another turn id.`);
  const call = firstCallOf(input, admission);
  if (call === null) throw new Error(`Arm ${admission.arm} has no targets.`);
  return { kind: 'called', call, outcome: await makeAttempt(dependencies, call, call.ticket, 0, signal) };
}
