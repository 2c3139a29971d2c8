import type { ChatMessage } from '../../src/contract/chat';
import { contextWindow } from '../../src/domain/turn/window';
import type { Provider } from '../../src/contract/provider';
import type { Way } from './way';

/** The first timeout of the retry schedule; the benchmark's provider never takes that long. */
const timeoutMs = 10_000;

/** The provider, called by the caller itself: nothing survives anything. */
export function directCall(provider: Provider, model: string): Way {
  return {
    name: 'direct',
    title: '(a) direct call, not durable',
    worker: null,
    promisesOneCall: false,
    open: () => {
      const history: ChatMessage[] = [];
      return {
        async send(turnId, content) {
          history.push({ role: 'user', content });
          const messages = contextWindow(history);
          const requestId = `${turnId}.1`;
          const result = await provider.complete({
            model,
            messages,
            temperature: 0.7,
            maxTokens: 1000,
            requestId,
            timeoutMs,
          });
          if (result.kind === 'failed') throw new Error(`Turn ${turnId} got no answer: ${result.failure.message}`);
          history.push({ role: 'assistant', content: result.content });
        },
        workflowIds: () => [],
      };
    },
  };
}
