/** A model that answers when the test says so: what is looked at meanwhile cannot be over, however slow the machine is. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { ConfigFileInput } from '../../src/config/schema';
import type { ChatMessage } from '../../src/contract/chat';
import { keepAliveTimeoutMs } from '../../src/local/simulator/simulator';
import { primaryModel } from '../support/service';
import { type GatewayService, type GatewayServiceOptions, startGatewayService } from './gateway-service';

/** Whose turns go to the held model; all others go where they always go. A session stays where its first turn went. */
export const heldUser = 'held-user';

export interface HeldModel {
  /** For a service whose other turns go to its simulator. */
  readonly configuration: Pick<ConfigFileInput, 'providers' | 'arms' | 'defaultArm' | 'pinnedUsers'>;
  /** Calls received since it was last held. */
  callCount(): number;
  /** The messages of each call, as they came. */
  readonly received: readonly (readonly ChatMessage[])[];
  /** Those that have no whole answer yet. */
  openCalls(): number;
  /** Calls from now on wait. */
  hold(): void;
  /** Says more of the answer in every waiting call. */
  say(text: string): void;
  /** Ends the answers of all waiting calls, with "Your order" in them; later ones are answered at once. */
  release(): void;
  close(): void;
}

const sentence = 'Your order is on its way.';
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

interface HeldModelOptions {
  /** `regular`: Temporal sees a session's queue while its first turn runs. Default: in the workflow task. */
  readonly firstAttempt?: 'local' | 'regular';
}

export async function startHeldModel({ firstAttempt = 'local' }: HeldModelOptions = {}): Promise<HeldModel> {
  /** Each with whether it has said anything. */
  const waiting = new Map<ServerResponse, boolean>();
  const received: (readonly ChatMessage[])[] = [];
  let isHeld = true;
  let callCount = 0;
  const send = (response: ServerResponse, chunk: object): void => {
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  const sayTo = (response: ServerResponse, content: string): void => {
    send(response, { choices: [{ index: 0, delta: { content }, finish_reason: null }] });
    if (waiting.has(response)) waiting.set(response, true);
  };
  const end = (response: ServerResponse): void => {
    if (waiting.get(response) !== true) sayTo(response, sentence);
    waiting.delete(response);
    send(response, { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    send(response, { choices: [], usage });
    response.end('data: [DONE]\n\n');
  };
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs }, (request, response) => {
    void json(request).then((body) => received.push((body as { messages: readonly ChatMessage[] }).messages));
    callCount += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    response.once('close', () => waiting.delete(response));
    if (isHeld) waiting.set(response, false);
    else end(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    configuration: {
      providers: { held: { baseUrl: `http://127.0.0.1:${port}/v1` } },
      arms: { held: { targets: [{ name: 'held', provider: 'held', model: primaryModel, firstAttempt }] } },
      defaultArm: 'holysheep',
      pinnedUsers: { [heldUser]: 'held' },
    },
    callCount: () => callCount,
    received,
    openCalls: () => waiting.size,
    hold: () => {
      isHeld = true;
      callCount = 0;
    },
    say: (text) => [...waiting.keys()].forEach((response) => sayTo(response, text)),
    release: () => {
      isHeld = false;
      [...waiting.keys()].forEach(end);
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export interface HeldGatewayService extends GatewayService {
  readonly model: HeldModel;
}

/** A service with a gateway, and with a held model for `heldUser`, which is closed with it. */
export async function startHeldGatewayService(
  { configuration, ...options }: GatewayServiceOptions = {},
  modelOptions?: HeldModelOptions,
): Promise<HeldGatewayService> {
  const model = await startHeldModel(modelOptions);
  const setting = await startGatewayService({
    ...options,
    configuration: { ...model.configuration, ...configuration },
  });
  const stop = async (): Promise<void> => {
    model.close();
    await setting.stop();
  };
  return { ...setting, model, stop };
}
