import type { Problem } from '../../contract/problem';
import type { TurnFeedbackInput } from '../../contract/turn';
import { feedbackSignals } from '../../contract/user-evidence';
import { idProblem, valueInWords } from './validate-input';

/** What is wrong with feedback on a turn, or null. The input is untrusted and can be anything. */
export function feedbackProblem({ turnId, sessionId, signal }: TurnFeedbackInput): Problem | null {
  return (
    idProblem(['turnId'], turnId) ??
    (sessionId === undefined ? null : idProblem(['sessionId'], sessionId)) ??
    signalProblem(signal)
  );
}

function signalProblem(signal: unknown): Problem | null {
  if (feedbackSignals.some((each) => each === signal)) return null;
  const message = `must be one of ${feedbackSignals.join(', ')}, not ${valueInWords(signal)}`;
  return { path: ['signal'], code: 'wrong-value', message };
}
