import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { Client } from 'pg';
import type { Ledger } from '../src/contract/ledger';
import type { RolloutEntry } from '../src/contract/rollout';
import { defaultRolloutGates } from '../src/domain/rollout/plans';
import { openLedger } from '../src/ledger/open-ledger';
import { openSqliteFile } from '../src/platform/better-sqlite3';
import { positive } from './flags';

const rollout = 'bench';
const arms = { baselineArm: 'legacy', canaryArm: 'holysheep' } as const;
const caps = { sessionNanoUsd: 1e15, dayNanoUsd: 1e15 };

interface Flags {
  readonly turns: number;
  readonly database?: string;
  readonly changed: number;
}

/** `npm run bench -- evidence`: how long an analysis takes in a ledger with many turns, and for how long it stops the event loop. */
export function evidenceCommand(): Command {
  return new Command('evidence')
    .description('The analysis of a rollout by users, in a ledger with many turns')
    .addOption(new Option('--turns <turns>', 'turns in the ledger, ten of each user').argParser(positive).default(1e6))
    .option('--database <url>', 'an empty PostgreSQL database; otherwise SQLite in a temporary directory')
    .addOption(new Option('--changed <turns>', 'turns between two analyses').argParser(positive).default(200))
    .action(measureEvidence);
}

async function measureEvidence({ turns, database, changed }: Flags): Promise<void> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'bellwether-bench-'));
  const ledger = await openLedger({ dataDirectory, databaseUrl: database, survivesPowerLoss: false });
  try {
    await ledger.rollouts.record(firstEntry(), arms.baselineArm);
    const fillMs = await timed(() => fill(dataDirectory, database, turns));
    console.log(`${ledger.database}: filled with ${turns} turns in ${Math.round(fillMs / 1000)} s`);
    const behindMs = await timed(() => ledger.rollouts.countUsers());
    console.log(`counted the ${due} users that changed last in ${Math.round(behindMs)} ms`);
    for (let round = 1; round <= 5; round += 1) {
      const turnsMs = await timed(() => runTurns(ledger, round, changed));
      const { ms, cpuMs, blockedMs } = await whileWatchingTheLoop(() => analyse(ledger));
      console.log(
        `${changed} turns in ${Math.round(turnsMs)} ms; analysis ${ms.toFixed(1)} ms (CPU ${cpuMs.toFixed(1)} ms), event loop stopped for ${blockedMs.toFixed(1)} ms at most`,
      );
    }
    const fromMs = Date.now() - 24 * 60 * 60 * 1000;
    const limitsMs = await timed(() => ledger.rollouts.baselineLimits({ ...arms, fromMs, toMs: Date.now() }));
    console.log(`limits of the baseline: ${limitsMs.toFixed(1)} ms`);
  } finally {
    await ledger.close();
    await rm(dataDirectory, { recursive: true });
  }
}

function analyse(ledger: Ledger) {
  const limits = { callMs: 1_500, firstTokenMs: null };
  return ledger.rollouts.userEvidence({ rollout, bake: 1, ...arms, limits, maxLatencyPercent: 110, excluded: [] });
}

/** The newest users are due, so that the tallies have as many entries as in a real rollout. */
const due = 20_000;

function numbers(count: number): string {
  return `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count})`;
}

async function fill(dataDirectory: string, database: string | undefined, turns: number): Promise<void> {
  const users = Math.ceil(turns / 10);
  const arm = `case when i % ${users} % 2 = 0 then '${arms.canaryArm}' else '${arms.baselineArm}' end`;
  const atMs = `${Date.now()} - ${turns} + i`;
  const language = `case i % 12 ${Array.from({ length: 12 }, (_, at) => `when ${at} then 'l${at}'`).join(' ')} end`;
  const user = (bake: number) => `
    insert into rollout_users (rollout, bake, arm, user_id, language, key_id, first_at_ms, closes_at_ms, turns,
      exposed_turns, successes, answers, cost_nano_usd, first_call, first_latency_ms, first_flags, due_at_ms)
    ${numbers(users)} select '${rollout}', ${bake}, ${arm}, 'user-' || i, ${language}, 'key-' || (i % 50), ${atMs},
      ${Date.now() + 3_600_000}, 10, 10, 10, 10, i % 977 * 1000, 'success', 100 + i % 4900 * 7919 % 4900, '',
      case when i > ${users - due} then 0 end
    from n ${bake === 0 ? `where i % ${users} % 2 = 0` : ''}`;
  const statements = [
    `insert into turns (turn_id, user_id, arm, outcome, admitted_at_ms, ended_at_ms, rollout, bake)
      ${numbers(turns)} select 'turn-' || i, 'user-' || (i % ${users}), ${arm}, 'answered', ${atMs}, ${atMs}, '${rollout}', 1 from n`,
    `insert into attempts (turn_id, attempt, request_id, owner, day, arm, target, provider, model, state,
        reserved_nano_usd, cost_nano_usd, outcome, latency_ms, started_at_ms, ended_at_ms, user_call)
      ${numbers(turns)} select 'turn-' || i, 1, 'request-' || i, 'o', '2026-11-23', ${arm}, 't', 'p', 'm', 'settled',
        1000, 400, 'answered', 100 + i % 4900 * 7919 % 4900, ${atMs}, ${atMs}, 1 from n`,
    user(1),
    user(0),
    'analyze',
  ];
  if (database === undefined) {
    const file = openSqliteFile(join(dataDirectory, 'ledger.db'));
    for (const statement of statements) file.exec(statement);
    file.close();
    return;
  }
  const client = new Client(database);
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

async function runTurns(ledger: Ledger, round: number, turns: number): Promise<void> {
  for (let turn = 1; turn <= turns; turn += 1) {
    const turnId = `round-${round}-${turn}`;
    const arm = turn % 2 === 0 ? arms.canaryArm : arms.baselineArm;
    const reservation = { arm, target: 't', provider: 'p', model: 'm', worstCaseNanoUsd: 1_000 };
    await ledger.admit({
      turnId,
      requestId: turnId,
      sessionId: null,
      userId: `new-${round}-${turn % 100}`,
      owner: 'o',
      caps,
      plan: () => ({ reservation, countedIn: { rollout, bake: 1 } }),
    });
    await ledger.recordTurn({
      turnId,
      outcome: 'answered',
      target: 't',
      model: 'm',
      error: null,
      flags: [],
      dayCapNanoUsd: caps.dayNanoUsd,
      settlements: [
        {
          attempt: 1,
          state: 'settled',
          costNanoUsd: 400,
          usage: { promptTokens: 30, cachedPromptTokens: 0, completionTokens: 12 },
          outcome: 'answered',
          httpStatus: 200,
          latencyMs: 100 + ((turn * 7919) % 4900),
          endedAtMs: Date.now(),
        },
      ],
    });
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganAtMs = performance.now();
  await work();
  return performance.now() - beganAtMs;
}

/** The longest time between two turns of the event loop. */
async function whileWatchingTheLoop(work: () => Promise<unknown>) {
  let [blockedMs, lastAtMs, isOver] = [0, performance.now(), false];
  const watch = (): void => {
    const nowMs = performance.now();
    blockedMs = Math.max(blockedMs, nowMs - lastAtMs);
    lastAtMs = nowMs;
    if (!isOver) setImmediate(watch);
  };
  setImmediate(watch);
  const cpuBefore = process.cpuUsage();
  const ms = await timed(work);
  const { user, system } = process.cpuUsage(cpuBefore);
  watch();
  isOver = true;
  return { ms, cpuMs: (user + system) / 1000, blockedMs };
}

function firstEntry(): RolloutEntry {
  const atMs = Date.now();
  const gates = { ...defaultRolloutGates, freshnessMs: 3_600_000, maxCostPercent: null };
  const step = { percent: 50, nominalEndMs: 3_600_000, minimumBakeMs: 3_600_000 };
  const spec = { name: rollout, ...arms, steps: [step], intervalMs: 60_000, warmMs: 0, gates, freezeWindows: [] };
  const times = { bakeStartedAtMs: atMs, startedAtMs: atMs, stepStartedAtMs: atMs, endedAtMs: null };
  const next = { phase: 'Progressing', message: '', step: 0, percent: 50, bake: 1, reached: [], sequence: 1 } as const;
  const decision = { action: 'start', reason: 'bench', missing: [], next: { ...next, ...times } } as const;
  return { spec: { ...spec, takeOver: true, actor: 'bench', rule: 2 }, atMs, evidence: null, command: null, decision };
}
