import { Client } from '@temporalio/client';
import { listStuck } from '../../client/stuck-workflows';
import type { Settings } from '../../config/settings';
import { embeddedServerAddress } from '../../temporal-server/data-file';
import { connectToTemporal } from '../temporal-connection';
import type { Check, CheckOutcome } from './check';

/** Leaves time for one more page before the check runs into its limit; `bellwether stuck` goes through all. */
const look = { atMost: 1_000, forMs: 8_000 } as const;

/** Turns and conversations that make no progress. */
export function stuckCheck({ temporal, dataDirectory }: Settings): Check {
  return {
    name: 'Turns',
    advice: 'See the check of Temporal.',
    async run(): Promise<CheckOutcome> {
      const address = temporal.address ?? embeddedServerAddress(dataDirectory);
      if (address === undefined) return { status: 'skipped', detail: 'Temporal is embedded, and not running' };
      const connection = await connectToTemporal({ ...temporal, address }, '');
      try {
        const client = new Client({ connection, namespace: temporal.namespace });
        const { stuck, running, next } = await listStuck(client, temporal.taskQueue, look);
        const of = `${running} ${next ? 'youngest' : 'running'} turns and conversations`;
        if (stuck.length === 0) return { status: 'ok', detail: `none of the ${of} is stuck` };
        const named = stuck.slice(0, 5).map(({ workflowId, attempt }) => `${workflowId} (attempt ${attempt})`);
        return {
          status: 'failed',
          detail: `${stuck.length} of the ${of} are stuck: ${named.join(', ')}`,
          advice: 'npx bellwether stuck lists them and what became of their tasks; --end ends one.',
        };
      } finally {
        await connection.close();
      }
    },
  };
}
