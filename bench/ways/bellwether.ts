import type { BellwetherClient } from '../../src/client';
import type { ChatMessage, ChatReply } from '../../src/contract/chat';
import { conversationWorkflowId, turnWorkflowId } from '../../src/contract/names';
import { contextWindow } from '../../src/domain/turn/window';
import type { Way } from './way';

/** Bellwether's conversation, through the client that a backend service uses. */
export function bellwetherConversation(client: BellwetherClient): Way {
  return {
    name: 'send',
    title: 'Bellwether, conversation',
    worker: 'bellwether',
    promisesOneCall: true,
    open: (sessionId) => ({
      async send(turnId, content) {
        requireAnswer(await client.send({ sessionId, turnId, content }));
      },
      workflowIds: () => [conversationWorkflowId(sessionId)],
    }),
  };
}

/** Bellwether's turn for a request that brings its whole history, as the caller keeps it. */
export function bellwetherOneShot(client: BellwetherClient): Way {
  return {
    name: 'complete',
    title: 'Bellwether, one-shot',
    worker: 'bellwether',
    promisesOneCall: true,
    open: (sessionId) => {
      const history: ChatMessage[] = [];
      const workflowIds: string[] = [];
      return {
        async send(turnId, content) {
          history.push({ role: 'user', content });
          workflowIds.push(turnWorkflowId(turnId, sessionId));
          const reply = await client.complete({ sessionId, turnId, messages: contextWindow(history) });
          history.push({ role: 'assistant', content: requireAnswer(reply) });
        },
        workflowIds: () => workflowIds,
      };
    },
  };
}

function requireAnswer(reply: ChatReply): string {
  if (!reply.success)
    throw new Error(`Turn ${reply.turn_id} got no answer: ${reply.error}. The figures would be wrong.`);
  return reply.content;
}
