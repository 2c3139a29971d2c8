/**
 * What the operator's page gets from its server, as JSON. Times are milliseconds since 1970 by the ledger's clock, money is in
 * nano-dollars, shares are from 0 to 1, latencies in milliseconds. Sentences are the command line's. Never the text of a message.
 */

import type { RolloutCommandName } from './rollout';

/** Where the page's routes are. The page's files and the login are for everybody, all else needs the cookie. */
export const pagePaths = {
  /** The page itself; `/page/login` shows the login, `/page/login#<code>` logs in with the code of a login link. */
  page: '/page',
  script: '/page/page.js',
  style: '/page/page.css',
  /** POST `LoginRequest`: 204 with the cookie, or 401 with `PageProblem`. */
  login: '/page/login',
  logout: '/page/logout',
  /** GET `PageData` of the newest rollout, or of `?rollout=`; with an `ETag`. */
  data: '/page/data',
  /**
   * The same as server-sent events: `data` with a `PageData` whenever something has changed, its id the position of the last
   * audit row; `tick` with a `PageTick`, about once a second, when nothing has; `problem` with a `PageProblem` when the page
   * cannot be read at the moment, or, with the code `logged_out`, when the session or its key has ended.
   */
  events: '/page/events',
  /** GET `SessionPage`, `?id=`. */
  session: '/page/session',
  /** POST `CommandRequest`: `CommandResponse`. */
  command: '/page/command',
} as const;

/** Either the whole API key, or the single-use code of a link that `bellwether up` printed. */
export type LoginRequest = { readonly key: string } | { readonly code: string };

/** What the page says when something did not work: what happened, what it means, what to do next. */
export interface PageProblem {
  readonly code: string;
  readonly message: string;
}

/** Nothing has changed since the last `PageData` but the time, and the ages that grow with it. */
export interface PageTick {
  readonly atMs: number;
}

export interface CommandRequest {
  readonly rollout: string;
  readonly command: RolloutCommandName;
  /** 1 to 500 characters. */
  readonly reason: string;
  /** What the page showed. Only promote needs it: a promotion of anything else is refused. */
  readonly seenPercent?: number;
  readonly force?: boolean;
  readonly full?: boolean;
  /** force, full: the rollout's name, typed by the operator. */
  readonly typedName?: string;
  /** exclude. */
  readonly fromMs?: number;
  readonly toMs?: number;
}

export interface CommandResponse {
  readonly accepted: boolean;
  /** One or two sentences. */
  readonly message: string;
}

export interface PageData {
  /** When the ledger was read. */
  readonly atMs: number;
  readonly viewer: PageViewer;
  readonly service: PageService;
  /** All rollouts, the newest first, at most 100. */
  readonly rollouts: readonly RolloutListing[];
  /** Null before the first rollout. */
  readonly rollout: RolloutPage | null;
  readonly money: MoneyPage;
  readonly targets: readonly TargetPage[];
}

export interface PageViewer {
  /** The key's name: the actor of the audit trail. */
  readonly name: string;
  readonly mayOperate: boolean;
}

export interface PageService {
  readonly version: string;
  readonly isSimulated: boolean;
  /** `http://127.0.0.1:8233`; null if it is not known. */
  readonly temporalUiUrl: string | null;
  readonly namespace: string;
}

export interface RolloutListing {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly phase: PagePhase;
  readonly percent: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  readonly message: string;
}

export type PagePhase = 'Progressing' | 'Paused' | 'Held' | 'Promoting' | 'Succeeded' | 'RolledBack' | 'TakenOver';

export interface RolloutPage {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly now: RolloutNow;
  readonly ladder: Ladder;
  /** Null once the rollout has ended. */
  readonly evidence: EvidencePage | null;
  readonly arms: ArmsPage;
  readonly audit: AuditPage;
}

export interface RolloutNow {
  readonly phase: PagePhase;
  /** The reason for the phase: one or two sentences. */
  readonly message: string;
  /** One sentence: what comes next, and what it takes. */
  readonly next: string;
  /** The next analysis; null once the rollout has ended. */
  readonly nextAnalysisAtMs: number | null;
  readonly isOverdue: boolean;
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly workflow: 'running' | 'completed' | 'failed' | 'unknown' | 'unreachable';
  /** The canary's share by the split, 0 to 100: sent back as `seenPercent`. */
  readonly setPercent: number;
  /** The canary's share of the turns since `trafficSinceMs`; null without turns. */
  readonly actualShare: number | null;
  readonly trafficSinceMs: number;
  /** Age of the newest canary request of this bake; null without one. */
  readonly dataAgeMs: number | null;
  /** What cannot be done now, and why; a command that is absent can be tried. Never `rollback` while the rollout is under way. */
  readonly unavailable: Readonly<Partial<Record<RolloutCommandName, string>>>;
  /** What each command would do now, for its dialog: one sentence each. */
  readonly effects: Readonly<Record<RolloutCommandName, string>>;
}

export interface Ladder {
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  /** By the plan, 100% last. */
  readonly planned: readonly { readonly percent: number; readonly atMs: number }[];
  /** What happened, the oldest first. */
  readonly reached: readonly { readonly percent: number; readonly atMs: number; readonly because: string }[];
  readonly freezes: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly excluded: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly stepDueAtMs: number | null;
  /** Held without evidence by then. */
  readonly evidenceDueAtMs: number | null;
}

export interface EvidencePage {
  /** Under rule 1 the unit is requests. */
  readonly unit: 'users' | 'requests';
  /** `about N users without a failure to go`: 0 if there is enough. */
  readonly toGo: number;
  readonly missing: readonly string[];
  readonly findings: readonly string[];
  readonly measures: readonly MeasurePage[];
  /** Measures of the languages that count by themselves. */
  readonly languages: readonly { readonly language: string; readonly measures: readonly MeasurePage[] }[];
  /** Decisions and commands, for the courses. */
  readonly marks: readonly {
    readonly atMs: number;
    readonly action: string;
    readonly actor: string;
    readonly reason: string;
  }[];
}

export interface MeasurePage {
  /**
   * `advance`, `breach`, `worse`, `declined`, `latency`, `firstToken`, `feedback`, `cost`, `wrongShare`; and one for each flag:
   * `flags:empty`, `flags:wrong-language`.
   */
  readonly id: string;
  readonly label: string;
  /** What it means if it is reached. */
  readonly meaning: string;
  readonly unit: 'evidence' | 'nano-usd';
  /** Null: no such guard, or too little data. */
  readonly value: number | null;
  readonly needed: number | null;
  readonly isReached: boolean;
  /** Whether reaching it is good: only for `advance`. */
  readonly isWanted: boolean;
  readonly mode: 'act' | 'report';
  /** At most 200 points, ascending. */
  readonly course: readonly { readonly atMs: number; readonly value: number }[];
}

export interface ArmsPage {
  readonly baseline: ArmPage;
  readonly canary: ArmPage;
  /** Those with the most users first, at most 50. */
  readonly languages: readonly {
    readonly language: string;
    readonly baseline: ArmFigures;
    readonly canary: ArmFigures;
  }[];
  readonly flags: readonly string[];
}

export interface PageShare {
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly of: number;
}

/** By users; compared bake by bake. Null: nothing is known. */
export interface ArmFigures {
  readonly users: number;
  readonly success: PageShare | null;
  readonly troubled: PageShare | null;
  readonly declined: PageShare | null;
  readonly satisfaction: PageShare | null;
  readonly flags: Readonly<Record<string, PageShare>>;
  readonly costPerSuccessNanoUsd: number | null;
}

export interface ArmPage extends ArmFigures {
  readonly name: string;
  readonly turns: number;
  /** First calls by how they failed, the most frequent first. */
  readonly failures: readonly { readonly outcome: string; readonly calls: number }[];
  readonly latencyP95Ms: number | null;
  readonly tokensPerAnswer: number | null;
  /** The last 72 hours with traffic, ascending. */
  readonly hours: readonly {
    readonly fromMs: number;
    readonly turns: number;
    readonly latencyP95Ms: number | null;
    readonly firstTokenP95Ms: number | null;
  }[];
}

export interface MoneyPage {
  /** The UTC day: `2026-11-30`. */
  readonly day: string;
  readonly todayNanoUsd: number;
  readonly dayCapNanoUsd: number;
  readonly reservedNanoUsd: number;
  readonly monthlyNanoUsd: number;
  readonly byArm: readonly MoneyRow[];
  readonly byModel: readonly MoneyRow[];
  readonly byKey: readonly MoneyRow[];
  /** The rollout's volume at the baseline's prices, and what it really cost; null without both. */
  readonly saved: { readonly withoutNanoUsd: number; readonly withNanoUsd: number } | null;
  /** Turns from here on are still being counted, as after an upgrade; null: all are counted, but for the last seconds. */
  readonly uncountedFromMs: number | null;
}

export interface MoneyRow {
  readonly name: string;
  readonly turns: number;
  readonly costNanoUsd: number;
  /** What calls of unknown outcome may have cost in addition. */
  readonly unconfirmedNanoUsd: number;
}

export interface TargetPage {
  readonly name: string;
  readonly arms: readonly string[];
  /** The worst that any live worker says; null if none says anything. */
  readonly circuit: 'closed' | 'half-open' | 'open' | null;
  /** Of the last hour. */
  readonly calls: number;
  readonly errors: readonly { readonly outcome: string; readonly calls: number }[];
  readonly latencyP50Ms: number | null;
  readonly latencyP95Ms: number | null;
  readonly lastSuccessAtMs: number | null;
}

export interface AuditPage {
  /** The newest first, at most 200. */
  readonly rows: readonly AuditRowPage[];
  readonly head: { readonly position: number; readonly hash: string };
  /** Null: never verified. */
  readonly verified: { readonly atMs: number; readonly isIntact: boolean; readonly message: string } | null;
}

export interface AuditRowPage {
  readonly position: number;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly reason: string;
  /** What it was decided on, in one line; empty if there was nothing. */
  readonly figures: string;
}

/** The turns of a session as facts. */
export interface SessionPage {
  readonly id: string;
  /** The newest first, at most 200. */
  readonly turns: readonly SessionTurn[];
  readonly costNanoUsd: number;
}

export interface SessionTurn {
  readonly turn: string;
  readonly atMs: number;
  readonly arm: string;
  readonly target: string | null;
  readonly outcome: string;
  readonly language: string | null;
  readonly flags: readonly string[];
  readonly feedback: string | null;
  readonly attempts: number;
  readonly latencyMs: number | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costNanoUsd: number;
  /** Of the Temporal UI; null if that is not known. */
  readonly workflowUrl: string | null;
}
