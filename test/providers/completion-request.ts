import type { StreamLimits } from '../../src/contract/policy';
import type { CompletionRequest } from '../../src/contract/provider';

export const model = 'deepseek-v3.2';
export const userText = 'Where is my order? [ref:abc]';

/** Never reached by a call that is meant to end by itself. */
export const patientMs = 50_000;
export const patient: StreamLimits = {
  firstByteMs: patientMs,
  firstTokenMs: patientMs,
  idleMs: patientMs,
  totalMs: patientMs,
};

/** A question, for which a plain answer is requested. */
export function completionRequest(changes: Partial<CompletionRequest> = {}): CompletionRequest {
  return {
    model,
    messages: [{ role: 'user', content: userText }],
    temperature: 0.7,
    maxTokens: 1000,
    requestId: 'turn-1.1',
    timeoutMs: patientMs,
    ...changes,
  };
}
