import type { Client } from '@temporalio/client';
import { BellwetherClient } from '../../src/client/bellwether-client';
import type { Provider } from '../../src/contract/provider';
import { bellwetherConversation, bellwetherOneShot } from './bellwether';
import { directCall } from './direct';
import { plain } from './plain';
import { textbook } from './textbook';
import type { Way } from './way';

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
