import type { AnswerFlag, UserTally } from '../../contract/user-evidence';
import { CostCounter, type CostDrawer, type Random, RareEvents } from './simulate-draws';
import { failureChanceAt, type SimulatedArm, type SimulatedTraffic } from './simulate-traffic';

/** A `UserTally` that is still counting. */
export type CountingTally = {
  -readonly [Field in keyof Omit<UserTally, 'flaggedUsers' | 'cost'>]: UserTally[Field];
} & {
  readonly flaggedUsers: Partial<Record<AnswerFlag, number>>;
  readonly cost: CostCounter;
};

const minuteMs = 60_000;

/** Users who come to an arm between two analyses, none of whom was seen in this bake before. */
export interface Arrivals {
  readonly fromMs: number;
  readonly toMs: number;
  readonly bake: number;
  readonly users: number;
  /** The chance that such a user was in the rollout's canary arm in an earlier bake. */
  readonly knownChance: number;
  /** The chances that the first call is slow in this bake, and that its first token is. */
  readonly slowChance: number;
  readonly slowToSpeakChance: number;
}

/** What all arms of a run share. */
export interface ArmSetting {
  readonly traffic: SimulatedTraffic;
  readonly random: Random;
  /** How long a user's calls count, and how long the last of them may take. Milliseconds. */
  readonly windowMs: number;
  readonly longestCallMs: number;
  readonly maxCalls: number;
  readonly costs: CostDrawer;
}

/** Receives closed users who are new to the rollout, with their counted and their failed calls. */
export type Close = (calls: number, failed: number, users: number) => void;

/** Users who came between two analyses, until all of them are closed. */
interface Cohort {
  readonly closesAtMs: number;
  readonly bake: number;
  readonly cost: CostCounter;
  /** Calls after the first one. */
  laterCalls: number;
  laterFaults: number;
  /** Users who are new to the rollout, by their calls, if none failed; and the others, one by one. */
  readonly cleanUsers: number[];
  readonly failingUsers: { readonly calls: number; readonly failed: number }[];
}

/**
 * The users of one arm and language, counted as the ledger counts them. Users whose calls all succeed differ only in their
 * costs, so only the others are drawn one by one. Nobody is remembered beyond closing.
 */
export class SimulatedUsers {
  tally = emptyTally();
  private bake = 0;
  private readonly cohorts: Cohort[] = [];
  /** How many users of this bake meet their first fault in which minute, if that is later than their first call. */
  private laterFaults: number[] = [];
  private minutesMet = 0;
  /** Users by their number of calls: drawn one after the other, each from those who are left. */
  private readonly groups: readonly { readonly calls: number; readonly events: RareEvents }[];
  private readonly flags: readonly { readonly flag: AnswerFlag; readonly events: RareEvents }[];
  private readonly troubled: RareEvents;
  private readonly failures: RareEvents;
  private readonly known: RareEvents;
  private readonly declined: RareEvents;
  private readonly unhappy: RareEvents;
  private readonly slow: RareEvents;
  private readonly slowToSpeak: RareEvents;

  constructor(
    private readonly setting: ArmSetting,
    private readonly arm: SimulatedArm,
    language: string,
    private readonly close: Close | null,
  ) {
    const { traffic, random } = setting;
    const events = (chance: number): RareEvents => new RareEvents(random, chance);
    let left = 1;
    this.groups = traffic.requestsPerUser.map(({ value, share }) => {
      const group = { calls: Math.min(value, setting.maxCalls), events: events(Math.min(1, share / left)) };
      left -= share;
      return group;
    });
    this.flags = arm.flags
      .filter((flag) => flag.language === undefined || flag.language === language)
      .map(({ flag, share }) => ({ flag, events: events(share) }));
    this.troubled = events(traffic.alwaysFail + traffic.oftenFail);
    this.failures = events(0);
    this.known = events(0);
    this.declined = events(arm.declined);
    this.unhappy = events(arm.unhappy);
    this.slow = events(0);
    this.slowToSpeak = events(0);
  }

  /** Call it with ascending times: what has happened by then is final. */
  receive(arrivals: Arrivals): void {
    const { fromMs, toMs, users, bake } = arrivals;
    if (bake !== this.bake) this.begin(bake);
    this.failures.setChance(failureChanceAt(this.setting.traffic, this.arm, (fromMs + toMs) / 2));
    this.known.setChance(arrivals.knownChance);
    this.slow.setChance(arrivals.slowChance);
    this.slowToSpeak.setChance(arrivals.slowToSpeakChance);
    if (users > 0) this.admit(arrivals);
    this.meetFaults(toMs);
    this.closeCohorts(toMs);
  }

  private begin(bake: number): void {
    this.bake = bake;
    this.tally = emptyTally();
    this.laterFaults = [];
  }

  private admit({ fromMs, toMs, users, bake }: Arrivals): void {
    const { setting, tally } = this;
    const cohort: Cohort = {
      closesAtMs: toMs + setting.windowMs + setting.longestCallMs,
      bake,
      cost: new CostCounter(),
      laterCalls: 0,
      laterFaults: 0,
      cleanUsers: [],
      failingUsers: [],
    };
    this.cohorts.push(cohort);
    let answered = 0;
    let left = users;
    this.groups.forEach(({ calls, events }, index) => {
      const isLast = index === this.groups.length - 1;
      const ofGroup = isLast ? left : events.countIn(left);
      left -= ofGroup;
      answered += this.admitGroup(cohort, calls, ofGroup, fromMs, toMs);
    });
    tally.users += users;
    tally.firstCalls += users;
    tally.timedUsers += users;
    tally.spokenUsers += users;
    tally.answeredUsers += answered;
    tally.slowUsers += this.slow.countIn(users);
    tally.slowToSpeakUsers += this.slowToSpeak.countIn(users);
    tally.declinedUsers += this.declined.countIn(users);
    tally.unhappyUsers += this.unhappy.countIn(users);
    for (const { flag, events } of this.flags) {
      tally.flaggedUsers[flag] = (tally.flaggedUsers[flag] ?? 0) + events.countIn(answered);
    }
  }

  /** Admits users with as many calls each; returns how many of them get an answer. */
  private admitGroup(cohort: Cohort, calls: number, users: number, fromMs: number, toMs: number): number {
    let answered = 0;
    let user = 0;
    for (;;) {
      const cleanUsers = Math.min(users - user, Math.floor(this.failures.untilNext / calls), this.troubled.untilNext);
      this.failures.countIn(cleanUsers * calls);
      this.troubled.countIn(cleanUsers);
      this.admitClean(cohort, calls, cleanUsers);
      answered += cleanUsers;
      user += cleanUsers;
      if (user === users) return answered;
      if (this.admitFailing(cohort, calls, fromMs + ((toMs - fromMs) * (user + 0.5)) / users)) answered += 1;
      user += 1;
    }
  }

  private admitClean(cohort: Cohort, calls: number, users: number): void {
    if (users === 0) return;
    this.tally.successes += users;
    cohort.laterCalls += users * (calls - 1);
    this.setting.costs.add(cohort.cost, calls, users, this.arm.cost);
    const newUsers = this.close === null ? 0 : users - this.known.countIn(users);
    if (newUsers > 0) cohort.cleanUsers[calls] = (cohort.cleanUsers[calls] ?? 0) + newUsers;
  }

  /** A user with a call that fails, at the time of the first call. True if another one is answered. */
  private admitFailing(cohort: Cohort, calls: number, cameAtMs: number): boolean {
    const { setting, tally } = this;
    let failed = 0;
    let firstFailed = this.failures.untilNext;
    if (this.troubled.countIn(1) === 1) ({ failed, firstFailed } = this.troubledCalls(calls));
    else failed = this.failures.countIn(calls);

    const isFirstCallFault = failed > 0 && firstFailed === 0;
    if (isFirstCallFault) {
      tally.firstCallFaults += 1;
      tally.faultyUsers += 1;
      tally.faults += 1;
    } else {
      tally.successes += 1;
      if (failed > 0) {
        const minute = Math.floor((cameAtMs + (setting.windowMs * firstFailed) / calls) / minuteMs);
        this.laterFaults[minute] = (this.laterFaults[minute] ?? 0) + 1;
      }
    }
    cohort.laterCalls += calls - 1;
    cohort.laterFaults += failed - (isFirstCallFault ? 1 : 0);
    setting.costs.add(cohort.cost, calls - failed, 1, this.arm.cost);
    if (this.close !== null && this.known.countIn(1) === 0) cohort.failingUsers.push({ calls, failed });
    return failed < calls;
  }

  private troubledCalls(calls: number): { readonly failed: number; readonly firstFailed: number } {
    const { traffic, random } = this.setting;
    const { alwaysFail, oftenFail } = traffic;
    if (random() * (alwaysFail + oftenFail) < alwaysFail) return { failed: calls, firstFailed: 0 };
    const failing = Array.from({ length: calls }, () => random() < 0.5);
    return { failed: failing.filter(Boolean).length, firstFailed: failing.indexOf(true) };
  }

  private meetFaults(atMs: number): void {
    for (; (this.minutesMet + 1) * minuteMs <= atMs; this.minutesMet += 1) {
      this.tally.faultyUsers += this.laterFaults[this.minutesMet] ?? 0;
    }
  }

  private closeCohorts(atMs: number): void {
    for (let cohort = this.cohorts[0]; cohort && cohort.closesAtMs <= atMs; cohort = this.cohorts[0]) {
      this.cohorts.shift();
      cohort.cleanUsers.forEach((users, calls) => this.close?.(calls, 0, users));
      for (const { calls, failed } of cohort.failingUsers) this.close?.(calls, failed, 1);
      // The outcomes of an earlier bake no longer count in this one.
      if (cohort.bake !== this.bake) continue;
      this.tally.successes += cohort.laterCalls - cohort.laterFaults;
      this.tally.faults += cohort.laterFaults;
      this.tally.cost.addAll(cohort.cost);
    }
  }
}

function emptyTally(): CountingTally {
  return {
    users: 0,
    firstCalls: 0,
    firstCallFaults: 0,
    faultyUsers: 0,
    declinedUsers: 0,
    timedUsers: 0,
    slowUsers: 0,
    spokenUsers: 0,
    slowToSpeakUsers: 0,
    answeredUsers: 0,
    flaggedUsers: {},
    unhappyUsers: 0,
    feedback: {},
    cost: new CostCounter(),
    successes: 0,
    faults: 0,
    declined: 0,
    turns: 0,
    successfulTurns: 0,
    costNanoUsd: 0,
    latencies: [],
    firstTokens: [],
  };
}

/** The sum over languages. */
export function sumOf(tallies: readonly CountingTally[]): CountingTally {
  const [only] = tallies;
  if (only !== undefined && tallies.length === 1) return only;
  const sum = emptyTally();
  for (const tally of tallies) {
    for (const field of countedFields) sum[field] += tally[field];
    for (const [flag, users] of Object.entries(tally.flaggedUsers) as [AnswerFlag, number][]) {
      sum.flaggedUsers[flag] = (sum.flaggedUsers[flag] ?? 0) + users;
    }
    sum.cost.addAll(tally.cost);
  }
  return sum;
}

const countedFields = [
  'users',
  'firstCalls',
  'firstCallFaults',
  'faultyUsers',
  'declinedUsers',
  'timedUsers',
  'slowUsers',
  'spokenUsers',
  'slowToSpeakUsers',
  'answeredUsers',
  'unhappyUsers',
  'successes',
  'faults',
] as const;
