import { untilHealthy } from './health';
import type { Stage } from './stage';
import { asInContainer } from './image';
import { inWorkerOrThrow } from './turns';

/** A name for the model that only the configuration gives. */
export const configuredAlias = 'name-of-the-proof';

interface Completion {
  readonly id: string;
  readonly choices: readonly { readonly message: { readonly content: string } }[];
  readonly bellwether: { readonly turn_id: string; readonly provider: string };
}

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}

/** Turns over HTTP, as a client of the compose file's published port asks for them. */
export interface ProvedGateway {
  /** Returns what the answer says of itself. Throws unless it is whole. */
  plain(message: string): Promise<string>;
  /** Returns in how many pieces the answer came. Throws unless they are, together, what the turn keeps as its answer. */
  streamed(message: string): Promise<number>;
}

/** The gateway by the compose file's command, with a key that was made as operators make it: in a worker's container. */
export async function startGateway(stage: Stage, image: string): Promise<ProvedGateway> {
  const gateway = stage.service('gateway');
  stage.processes.start('gateway', gateway.command, { environment: gateway.environment, ...asInContainer(image) });
  await untilHealthy('gateway', gateway, stage.processes, asInContainer(image));
  const key = await createKey(stage, image);
  const baseUrl = `http://127.0.0.1:${stage.port('gateway')}/v1`;
  const ask = async (path: string, body?: object): Promise<Response> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const request = body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers };
    const answer = await fetch(`${baseUrl}${path}`, request);
    if (!answer.ok) throw new Error(`The gateway answers ${answer.status} to ${path}: ${await answer.text()}`);
    return answer;
  };
  return {
    plain: async (message) => {
      const answer = (await (await ask('/chat/completions', requestOf(message))).json()) as Completion;
      if (contentOf(answer) === '') throw new Error('The gateway answered with no text');
      return `${answer.bellwether.provider}, ${answer.id}`;
    },
    streamed: async (message) => {
      const answer = await ask('/chat/completions', { ...requestOf(message), stream: true });
      const events = (await answer.text()).split('\n').filter((line) => line.startsWith('data: '));
      if (events.at(-1) !== 'data: [DONE]') throw new Error(`The stream ended with ${events.at(-1)}`);
      const texts = events.slice(0, -1).flatMap((event) => {
        const { choices } = JSON.parse(event.slice('data: '.length)) as Chunk;
        return choices.flatMap(({ delta }) => delta.content || []);
      });
      const turnId = answer.headers.get('x-bellwether-turn-id');
      const turn = (await (await ask(`/turns/${turnId}`)).json()) as { completion: Completion };
      if (texts.join('') !== contentOf(turn.completion)) throw new Error('The stream is not what the turn answered');
      return texts.length;
    },
  };
}

function requestOf(message: string) {
  return { model: configuredAlias, messages: [{ role: 'user', content: message }] };
}

async function createKey(stage: Stage, image: string): Promise<string> {
  const output = await inWorkerOrThrow(stage, image, 'keys', 'create', '--name', 'proof', '--day-usd', '1', '--json');
  return (JSON.parse(output) as { key: string }).key;
}

function contentOf({ choices }: Completion): string {
  return choices[0]?.message.content ?? '';
}
