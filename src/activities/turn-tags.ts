/** What logs and spans say about a turn: ids, names and numbers, and never a word of what was said. */
import type { Attributes } from '@opentelemetry/api';
import { sessionIdOf, turnIdOf } from '../contract/names';
import type { TurnTags } from '../contract/turn';
import { traceIdOf } from '../domain/turn/trace-context';
import { attributes } from '../tracing/names';

/** @param turnId the turn's name */
export function logFields(turnId: string, { arm, rollout, bake, trace }: Partial<TurnTags> = {}) {
  return {
    turn_id: turnIdOf(turnId),
    ...(trace !== undefined && { trace_id: traceIdOf(trace) }),
    ...(rollout !== undefined && { rollout }),
    ...(bake !== undefined && { bake }),
    ...(arm !== undefined && { arm }),
  };
}

/** @param turnId the turn's name */
export function spanAttributes(turnId: string, { arm, rollout, bake }: Partial<TurnTags> = {}): Attributes {
  const sessionId = sessionIdOf(turnId);
  return {
    [attributes.turn]: turnIdOf(turnId),
    ...(sessionId !== null && { [attributes.conversation]: sessionId }),
    ...(arm !== undefined && { [attributes.arm]: arm }),
    ...(rollout !== undefined && { [attributes.rollout]: rollout }),
    ...(bake !== undefined && { [attributes.bake]: bake }),
  };
}
