/** Turns that are stopped at random moments: no session is stuck, no call is without a row, and the sums cover the provider's. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TurnStoppedError } from '../../src/client/errors';
import type { ChatReply } from '../../src/contract/chat';
import { turnIdOf } from '../../src/contract/names';
import { startService } from '../support/service';
import { startStrictProvider } from '../support/strict-provider';
import { unique } from '../support/temporal';

interface Drill {
  readonly stops: number;
  readonly sessions: number;
  readonly workers: number;
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** Of the default primary target, per token. */
const nanoUsdPerToken = 420;
/** Longer than a turn takes, so that some stops come too late. */
const stopWithinMs = 1_000;

export async function stopAtRandom({ stops, sessions, workers, environment = {} }: Drill): Promise<void> {
  const provider = await startStrictProvider();
  const service = await startService({ environment: { HOLYSHEEP_BASE_URL: provider.baseUrl, ...environment } });
  for (let more = 1; more < workers; more += 1) await service.startWorker();
  const { client, ledger } = service;
  const closedAfterMs: number[] = [];
  const replies: ChatReply[] = [];
  let unsent = 0;

  async function stopOne(sessionId: string): Promise<void> {
    const turnId = unique('turn');
    const answer = client.send({ sessionId, turnId, content: 'Where is my order?', delivery: 'streamed' });
    const settled = answer.then(
      (reply) => void replies.push(reply),
      (error: unknown) => {
        if (!(error instanceof TurnStoppedError)) throw error;
        unsent += 1;
      },
    );
    await sleep(Math.random() * stopWithinMs);
    const askedAtMs = performance.now();
    const call = provider.calls.find((each) => each.requestId === `${turnId}.1` && each.endedAtMs === null);
    await client.cancelTurn(turnId, { sessionId });
    await settled;
    if (call?.endedAtMs && !call.isWhole) closedAfterMs.push(call.endedAtMs - askedAtMs);
  }

  async function talk(): Promise<void> {
    const sessionId = unique('session');
    for (let turn = 0; turn < stops / sessions; turn += 1) await stopOne(sessionId);
    const next = await client.send({ sessionId, content: 'Are you still there?' });
    expect(next).toMatchObject({ success: true, content: expect.stringContaining('60') });
    replies.push(next);
  }

  try {
    await Promise.all(Array.from({ length: sessions }, talk));
    const rows = await ledger.attempts();
    const madeRows = rows.filter(({ state, outcome }) => !(state === 'released' && outcome === 'cancelled'));
    const rowIds = madeRows.map(({ turnName, attempt }) => `${turnIdOf(turnName)}.${attempt}`);
    expect(rowIds.toSorted()).toEqual(provider.calls.map(({ requestId }) => requestId).toSorted());
    for (const [index, { state, costNanoUsd, completionTokens }] of madeRows.entries()) {
      const call = provider.calls.find(({ requestId }) => requestId === rowIds[index]);
      if (call === undefined) continue;
      const billedNanoUsd = (call.promptTokens + call.tokens) * nanoUsdPerToken;
      if (state === 'settled') expect([completionTokens, costNanoUsd]).toEqual([call.tokens, billedNanoUsd]);
      else expect([state, costNanoUsd >= billedNanoUsd]).toEqual(['unconfirmed', true]);
    }
    const totals = await ledger.costTotals();
    const told = replies.map(({ cost_nano_usd = 0, unconfirmed_nano_usd = 0 }) => cost_nano_usd + unconfirmed_nano_usd);
    expect(totals.reservedNanoUsd).toBe(0);
    expect(totals.costNanoUsd + totals.unconfirmedNanoUsd).toBe(told.reduce((sum, each) => sum + each, 0));
    const stopped = replies.filter((reply) => reply.stopped);
    expect(stopped.length).toBeGreaterThan(0);
    const times = closedAfterMs.toSorted((a, b) => a - b).map(Math.round);
    if (process.env['BELLWETHER_TEST_FIGURES']) {
      const answered = replies.filter(({ success }) => success).length;
      console.log({
        stops,
        answered,
        stopped: stopped.length,
        unsent,
        broken: times.length,
        median: times[times.length >> 1],
        p95: times[Math.floor(times.length * 0.95)],
        max: times.at(-1),
      });
    }
  } finally {
    await service.stop();
    await provider.close();
  }
}
