import { type Client, WithStartWorkflowOperation } from '@temporalio/client';
import { BellwetherClient } from '../src/client/bellwether-client';
import type { Provider } from '../src/contract/provider';
import type { ChatMessage, ChatReply } from '../src/contract/chat';
import { conversationWorkflowId, turnWorkflowId } from '../src/contract/names';
import { contextWindow } from '../src/domain/turn/window';
import { isPassing } from '../src/client/errors';
import type { WorkerKind } from './worker-process';
import type { plainTurn, textbookConversation } from './workflows';

/** One caller's conversation; its turns are sent one after the other. */
export interface BenchConversation {
  /** Resolves when the caller has its answer. */
  send(turnId: string, content: string): Promise<void>;
  /** The workflows whose histories hold the turns sent so far. */
  workflowIds(): readonly string[];
}

/** One way to run a turn. */
export interface Way {
  readonly name: string;
  readonly title: string;
  /** The worker process that does its work; null when there is none. */
  readonly worker: WorkerKind | null;
  /** Whether the provider's log must hold exactly one call per turn. */
  readonly promisesOneCall: boolean;
  open(sessionId: string): BenchConversation;
}

/** All ways, Bellwether's first. */
export function createWays(client: Client, provider: Provider, model: string): Way[] {
  const bellwether = new BellwetherClient(client, 'bellwether');
  return [
    bellwetherConversation(bellwether),
    bellwetherOneShot(bellwether),
    directCall(provider, model),
    textbook(client),
    plain(client),
  ];
}

/** Bellwether's conversation, through the client that a backend service uses. */
function bellwetherConversation(client: BellwetherClient): Way {
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

/** Bellwether's turn for a request that carries its whole history, which the caller keeps. */
function bellwetherOneShot(client: BellwetherClient): Way {
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

/** The first timeout of the retry schedule; the benchmark's provider never takes that long. */
const timeoutMs = 10_000;

/** Calls the provider directly: nothing survives a failure. */
function directCall(provider: Provider, model: string): Way {
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

/** More than a saturated dev server aborts in a row; the same update id makes each try safe. */
const maxTries = 5;

/** An update that runs one regular activity; started with the first message, then addressed by its handle. */
function textbook(client: Client): Way {
  return {
    name: 'textbook',
    title: '(b) update + activity',
    worker: 'textbook',
    promisesOneCall: false,
    open: (sessionId) => {
      const workflowId = `textbook/${sessionId}`;
      let isOpen = false;
      return {
        async send(turnId, content) {
          const update = { args: [{ turnId, content }] as [{ turnId: string; content: string }], updateId: turnId };
          await retried(() => (isOpen ? sendTo(workflowId, update) : startWith(workflowId, sessionId, update)));
          isOpen = true;
        },
        workflowIds: () => [workflowId],
      };
    },
  };

  type Update = { args: [{ turnId: string; content: string }]; updateId: string };

  function sendTo(workflowId: string, update: Update): Promise<string> {
    return client.workflow.getHandle(workflowId).executeUpdate<string, Update['args']>(messageUpdate, update);
  }

  function startWith(workflowId: string, sessionId: string, update: Update): Promise<string> {
    return client.workflow.executeUpdateWithStart<typeof textbookConversation, string, Update['args']>(messageUpdate, {
      ...update,
      startWorkflowOperation: new WithStartWorkflowOperation<typeof textbookConversation>('textbookConversation', {
        workflowId,
        taskQueue: 'textbook',
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [sessionId],
      }),
    });
  }
}

const messageUpdate = 'textbookMessage';

async function retried<Result>(call: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (tries === maxTries || !isPassing(error)) throw error;
    }
  }
}

/** A workflow per turn, which the caller starts and waits for. */
function plain(client: Client): Way {
  return {
    name: 'plain',
    title: '(c) workflow per turn, 4 activities',
    worker: 'plain',
    promisesOneCall: false,
    open: (sessionId) => {
      const workflowIds: string[] = [];
      return {
        async send(turnId, content) {
          const workflowId = `plain/${turnId}`;
          workflowIds.push(workflowId);
          await client.workflow.execute<typeof plainTurn>('plainTurn', {
            workflowId,
            taskQueue: 'plain',
            args: [{ turnId, sessionId, content }],
          });
        },
        workflowIds: () => workflowIds,
      };
    },
  };
}
