import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { faults } from '../../src/local/simulator/behaviour';
import { fallbackModel, primaryModel, prepareService, startService, testApiKey } from '../support/service';
import { startOwnTemporal, unique } from '../support/temporal';
import { spawnWorker } from '../support/worker-process';

const secretText = 'blue-elephant-7431';

/** Every file below a directory that holds the bytes, raw or in base64 at any of its three alignments. */
function filesHolding(directory: string, text: string): string[] {
  const bytes = Buffer.from(text);
  const needles = [bytes, ...[0, 1, 2].map((shift) => base64Core(bytes, shift))];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((file) => statSync(file).isFile())
    .filter((file) => needles.some((needle) => readFileSync(file).includes(needle)));
}

/** The characters of a base64 text that depend on these bytes alone, whatever stands before and after. */
function base64Core(bytes: Buffer, shift: number): Buffer {
  const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .replaceAll('=', '');
  return Buffer.from(encoded.slice(shift === 0 ? 0 : shift + 1, -2));
}

test.each([
  ['plain', {}],
  ['encrypted', { BELLWETHER_ENCRYPTION_KEYS: `test-key:${randomBytes(32).toString('base64')}` }],
])(
  '%s payloads: no API key in any file of Temporal, ledger or log, and text only where it may be',
  async (kind, encryption) => {
    const directory = mkdtempSync(join(tmpdir(), 'bellwether-secrecy-'));
    const temporal = await startOwnTemporal({ dataFile: join(directory, 'temporal.db') });
    const service = await prepareService({
      temporal,
      environment: { ...encryption, LOG_LEVEL: 'DEBUG' },
      configuration: { retry: { baseDelayMs: 20, delayJitterMs: 10 } },
    });
    const worker = spawnWorker(service);
    try {
      const sessionId = unique('session');
      const send = (content: string) =>
        service.client.send({ sessionId, content, systemPrompt: `Never say ${secretText}.` });
      await send(`Where is ${secretText}?`);
      await service.simulator.queueFaults(primaryModel, [faults.serverError(), faults.serverError()]);
      await send(`And ${secretText} after a retry?`);
      // A provider that repeats the key it refuses, for a turn that ends degraded.
      await service.simulator.setApiKeys(['another-key']);
      const degraded = await send(`And ${secretText} with a wrong key?`);
      expect(degraded).toMatchObject({ success: false });
      expect(JSON.stringify(degraded)).not.toContain(testApiKey);
      await expect(service.client.transcript(sessionId)).resolves.toMatchObject({ olderTurns: 0 });
    } finally {
      await worker.stop();
      await temporal.stop();
    }

    const configuration = join(service.directory, 'bellwether.json');
    expect(filesHolding(service.directory, testApiKey)).toEqual([]);
    expect(filesHolding(service.directory, secretText)).toEqual([]);
    expect(filesHolding(directory, testApiKey)).toEqual([]);
    expect(worker.output()).not.toContain(testApiKey);
    expect(worker.output()).not.toContain(secretText);
    expect(statSync(configuration).isFile()).toBe(true);

    const histories = filesHolding(directory, secretText);
    // Plain payloads are the proof that the search finds what is there.
    if (kind === 'plain') expect(histories.length).toBeGreaterThan(0);
    else expect(histories).toEqual([]);

    await service.stop();
    await rm(directory, { recursive: true });
  },
);

test('what the Temporal UI shows of a conversation says who answered at what cost, without a word of what was said', async () => {
  const service = await startService();
  try {
    const sessionId = unique('session');
    await service.simulator.queueFaults(primaryModel, [{ kind: 'html' }]);
    const reply = await service.client.send({ sessionId, content: `Where is ${secretText}?` });
    const handle = service.temporal.workflow.getHandle(`conversation/${sessionId}`);
    const details = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    for (const shown of [reply.turn_id, 'holysheep-fallback', fallbackModel, 'answered', String(reply.tokens_used)]) {
      expect(details.currentDetails).toContain(shown);
    }
    expect(details.currentDetails).not.toContain(secretText);

    const description = await handle.describe();
    expect(description.searchAttributes).toMatchObject({
      BellwetherSession: [sessionId],
      BellwetherState: ['answered'],
      BellwetherArm: ['holysheep'],
      BellwetherProvider: ['holysheep-fallback'],
    });
    await expect(description.staticSummary()).resolves.toContain(sessionId);
    await service.client.close(sessionId);
    await handle.result();
    expect((await handle.describe()).memo).toMatchObject({ spend: { turns: 1 } });
  } finally {
    await service.stop();
  }
});
