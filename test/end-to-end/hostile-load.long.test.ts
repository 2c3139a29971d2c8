/**
 * One key sends the worst that is allowed, for BELLWETHER_DRILL_SECONDS (30), to a gateway and two workers that have the
 * memory of docker-compose.yml, while ten other keys chat.
 *
 *   BELLWETHER_DRILL_SECONDS=180 npx jest --config jest.long.config.js hostile-load
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { quantile } from '../../src/domain/quantile';
import { createTestKey, hello } from '../gateway/gateway-service';
import { eventually } from '../support/eventually';
import { peakMemoryOf } from '../support/memory-limit';
import { type LimitedProcess, startLimited } from '../support/limited-process';
import { fallbackModel, prepareService, primaryModel, type Service } from '../support/service';
import type { HostileReport, Hostility } from './hostile-key';

const isDrill = process.env['BELLWETHER_DRILL_SECONDS'] !== undefined;
const hostileSeconds = Number(process.env['BELLWETHER_DRILL_SECONDS'] ?? 30);
const quietSeconds = isDrill ? 30 : 10;
const otherKeys = 10;
/** Of each of the other keys; a person writes less often. */
const turnEveryMs = 1_000;

let service: Service;
const running: LimitedProcess[] = [];
let url = '';
beforeAll(async () => {
  service = await prepareService({
    models: {
      [primaryModel]: {},
      [fallbackModel]: { latency: { kind: 'fixed', ms: 3_000 }, contextTokens: 2_000_000 },
    },
    // Money would end the attack before memory is short.
    configuration: { budgets: { dayUsd: 100_000 } },
  });
  for (const _ of [1, 2]) running.push(startLimited('worker', service, []));
  const gateway = startLimited('gateway', service, ['--port', '0', '--json']);
  running.push(gateway);
  await eventually('the gateway listens', () => {
    [, url = ''] = /"url": ?"([^"]+)"/.exec(gateway.said()) ?? [];
    return url !== '';
  });
  const workers = running.filter(({ name }) => name === 'worker');
  await eventually('the workers poll', () => workers.every(({ said }) => said().includes('worker started')));
}, 120_000);
afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  await service.stop();
}, 200_000);

/** The worst that the usual limits of a key allow, and what a key may send that an operator trusts with any number of requests. */
const attackers = { 'with the usual limits': null, 'without a limit of its requests': 1_000_000 } as const;

test.each(Object.entries(attackers))(
  'one key %s fills no memory and ends no process, and ten other keys are answered',
  async (name, requestsPerMinute) => {
    const hostileKey = await createTestKey(service, { requestsPerMinute });
    const others = await Promise.all(
      Array.from({ length: otherKeys }, () => createTestKey(service, { requestsPerMinute: 10_000 })),
    );
    await chatFor(others, 3);
    const quiet = await chatFor(others, quietSeconds);
    const [attacked, report] = await Promise.all([
      chatFor(others, hostileSeconds),
      attack({ url, key: hostileKey, seconds: hostileSeconds, slowModel: fallbackModel }),
    ]);

    const quietMs = medianOf(quiet);
    const attackedMs = medianOf(attacked);
    const longestMs = Math.max(...attacked.map(({ milliseconds }) => milliseconds));
    const peaks = running.map(({ name: service_, child: { pid = 0 }, limitBytes, isLimited }) => ({
      name: service_,
      isLimited,
      limitBytes,
      peakBytes: peakMemoryOf(pid),
    }));
    process.stdout.write(
      [
        `A hostile key ${name}, ${hostileSeconds} s: the median turn of ${otherKeys} other keys took ${quietMs} ms before and ${attackedMs} ms meanwhile (${attacked.length} turns, the longest ${longestMs} ms).`,
        ...peaks.map(
          ({ name: service_, peakBytes, limitBytes, isLimited }) =>
            `  ${service_}: at most ${mebibytes(peakBytes)} of ${mebibytes(limitBytes)} MiB${isLimited ? '' : ' (not enforced here)'}`,
        ),
        ...Object.entries(report).map(([way, statuses]) => `  ${way}: ${JSON.stringify(statuses)}`),
        '',
      ].join('\n'),
    );

    expect(running.map(({ child: { exitCode, signalCode } }) => [exitCode, signalCode])).toEqual(
      running.map(() => [null, null]),
    );
    expect(peaks.filter(({ peakBytes, limitBytes }) => peakBytes >= limitBytes)).toEqual([]);
    expect(new Set([...quiet, ...attacked].map(({ status }) => status))).toEqual(new Set([200]));
    const hostileStatuses = Object.values(report).flatMap((statuses) => Object.keys(statuses));
    expect(hostileStatuses.filter((status) => status.startsWith('500'))).toEqual([]);
    // Some of the attack was let in, so that it was one.
    expect(hostileStatuses).toContain('200');
    // Only a machine that does nothing else can say how long a turn takes.
    if (isDrill && requestsPerMinute === null) expect(attackedMs).toBeLessThan(2 * quietMs);
  },
  600_000,
);

/** From a process of its own, so that its work is not measured as waiting. */
async function attack(hostility: Hostility): Promise<HostileReport> {
  const program = [
    '--require',
    join(__dirname, '../support/register-typescript.js'),
    join(__dirname, 'hostile-key.ts'),
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [...program, JSON.stringify(hostility)]);
  return JSON.parse(stdout) as HostileReport;
}

interface Timed {
  readonly status: number;
  readonly milliseconds: number;
}

/** Turns of every key at a steady pace, whatever the last one takes: slow moments count as often as quick ones. */
async function chatFor(keys: readonly string[], seconds: number): Promise<readonly Timed[]> {
  const turns: Promise<Timed>[] = [];
  const endsAtMs = performance.now() + seconds * 1_000;
  for (let index = 0; performance.now() < endsAtMs; index += 1) {
    turns.push(chat(keys[index % keys.length] ?? ''));
    await sleep(turnEveryMs / keys.length);
  }
  return Promise.all(turns);
}

async function chat(key: string): Promise<Timed> {
  const startedAtMs = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(hello),
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  });
  await response.arrayBuffer();
  return { status: response.status, milliseconds: Math.round(performance.now() - startedAtMs) };
}

function medianOf(turns: readonly Timed[]): number {
  return (
    quantile(
      turns.map(({ milliseconds }) => milliseconds),
      50,
    ) ?? 0
  );
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0);
}
