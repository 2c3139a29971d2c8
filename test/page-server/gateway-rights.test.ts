import pino from 'pino';
import { type CommandResponse, pagePaths } from '../../src/contract/page';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { createApiKey } from '../../src/access/api-key';
import { openLedger } from '../../src/ledger/open-ledger';
import { servePage } from '../../src/services/page';
import { loadSettings } from '../../src/config/load-settings';
import { describeOnPostgres, postgresDatabases } from '../support/ledgers';
import { rolloutSpec } from '../support/rollout-spec';
import { logIn, post } from './page-service';

describeOnPostgres('the page of a gateway with its own rights alone', () => {
  test('logs in and shows, and says where to roll back while Temporal is away', async () => {
    const database = await postgresDatabases.create();
    const worker = await openLedger(await database.atRunTime('bellwether_worker'));
    const spec = rolloutSpec();
    const occasion = { atMs: Date.now(), evidence: null, command: null };
    await worker.rollouts.record({ spec, ...occasion, decision: advanceRollout(spec, null, occasion) }, 'legacy');
    const { id, text, secretHash } = createApiKey();
    const limits = { dayNanoUsd: null, totalNanoUsd: null, models: null, requestsPerMinute: null, expiresAtMs: null };
    await worker.keys.create({ id, secretHash, name: 'ann', role: 'operator', createdAtMs: Date.now(), ...limits });

    const { databaseUrl = '' } = await database.atRunTime('bellwether_gateway');
    const environment = { DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: '127.0.0.1:1' };
    const settings = loadSettings({ environment, callsProviders: false, workingDirectory: '/' });
    const page = await servePage({ settings, host: '127.0.0.1', port: 0, logger: pino({ level: 'silent' }) });
    try {
      expect(page.loginLink).toBeNull();
      const cookie = await logIn(page.url, text);
      const data = await fetch(`${page.url}${pagePaths.data}`, { headers: { cookie } });
      expect(await data.json()).toMatchObject({ rollout: { name: spec.name, now: { setPercent: 10 } } });
      const command = { rollout: spec.name, command: 'rollback', reason: 'complaints' };
      const answer = await post(page.url, pagePaths.command, command, { cookie });
      expect(answer.status).toBe(200);
      const { accepted, message } = (await answer.json()) as CommandResponse;
      expect([accepted, message]).toEqual([false, expect.stringContaining('where a worker runs')]);
      expect(await worker.rollouts.split()).toMatchObject({ rollout: spec.name, percent: 10 });
    } finally {
      await page.close();
      await worker.close();
      await database.remove();
    }
  });
});
