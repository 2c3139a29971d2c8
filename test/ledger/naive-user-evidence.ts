import {
  type AnswerFlag,
  answerFlags,
  type Exposure,
  type FaultTally,
  feedbackSignals,
  type FeedbackSignal,
  type KeyFaults,
  type UserEvidence,
  type UserEvidenceRequest,
  type UserTally,
} from '../../src/contract/user-evidence';

/** What the ledger must count, computed as simply as possible from all turns of one rollout. */

/** How a turn stood from a time on. */
export interface Standing {
  readonly atMs: number;
  /** By one of the arm's targets. */
  readonly isAnswered: boolean;
  readonly flags: readonly AnswerFlag[];
  /** In the order in which they were made. */
  readonly calls: readonly SeenCall[];
}

export interface SeenCall {
  /** Whether it is a call of the turn's arm. */
  readonly isOwn: boolean;
  /** null: open, or of unknown end. */
  readonly outcome: string | null;
  readonly mayBeAskedFor: boolean;
  readonly latencyMs: number;
  readonly firstTokenMs: number | null;
  readonly costNanoUsd: number;
}

/** An admitted turn. */
export interface SeenTurn {
  readonly user: string;
  readonly arm: string;
  readonly bake: number;
  readonly language: string;
  readonly keyId: string | null;
  readonly admittedAtMs: number;
  readonly standings: readonly Standing[];
  readonly feedback: FeedbackSignal | null;
}

const declinedKinds = ['bad-request', 'context-length', 'content-filter', 'response-too-large'];
const silentKinds = ['cancelled', 'budget', 'image-not-kept', 'circuit-open'];

type Result = 'success' | 'fault' | 'declined' | null;

function resultOf(call: SeenCall | undefined): Result {
  const outcome = call?.outcome ?? null;
  if (outcome === null || silentKinds.includes(outcome)) return null;
  if (outcome === 'answered') return 'success';
  return declinedKinds.includes(outcome) || call?.mayBeAskedFor ? 'declined' : 'fault';
}

/** For E, a call that was not made is a fault, too. */
function rolloutResultOf(call: SeenCall | undefined): Result {
  return call?.outcome === 'circuit-open' ? 'fault' : resultOf(call);
}

/** A user in one arm and one bake, or in one arm of the whole rollout. */
interface SeenUser {
  readonly turns: readonly SeenTurn[];
  readonly closesAtMs: number;
  /** How the turns that count stood when the user was closed, or stand by now. */
  readonly counted: readonly Standing[];
}

/** `turns` in the order of their admission. */
function usersOf(
  turns: readonly SeenTurn[],
  exposure: Exposure,
  { excluded }: UserEvidenceRequest,
): readonly SeenUser[] {
  const users = [...new Set(turns.map(({ user }) => user))].map((user) => {
    const own = turns.filter((turn) => turn.user === user);
    const firstAtMs = own[0]!.admittedAtMs;
    const windowEndsAtMs = firstAtMs + exposure.userWindowMs;
    const closesAtMs = windowEndsAtMs + exposure.longestCallMs;
    const counted = own
      .filter(({ admittedAtMs }) => admittedAtMs < windowEndsAtMs)
      .slice(0, exposure.maxRequestsPerUser)
      .map(({ standings }) => standings.findLast(({ atMs }) => atMs < closesAtMs)!);
    return { turns: own, closesAtMs, counted, firstAtMs };
  });
  return users.filter(({ firstAtMs, closesAtMs }) =>
    excluded.every(({ fromMs, toMs }) => closesAtMs <= fromMs || firstAtMs >= toMs),
  );
}

export function naiveUserEvidence(
  turns: readonly SeenTurn[],
  exposure: Exposure,
  request: UserEvidenceRequest & { readonly atMs: number },
): UserEvidence {
  const { atMs, bake, baselineArm, canaryArm, limits, maxLatencyPercent } = request;
  const ofBake = turns.filter((turn) => turn.bake === bake);
  const ofCanary = ofBake.filter(({ arm }) => arm === canaryArm);
  const canaryUsers = usersOf(ofCanary, exposure, request);
  const ends = ofCanary.flatMap(({ standings }) =>
    standings.flatMap((standing, index) => {
      const result = resultOf(standing.calls[0]);
      return result === null || result === resultOf(standings[index - 1]?.calls[0]) ? [] : [standing.atMs];
    }),
  );
  const keys = canaryUsers.flatMap(({ turns: [first] }) => (first!.keyId === null ? [] : [first!.keyId]));
  const [largestKey] = [...new Set(keys)]
    .map((keyId) => ({ keyId, users: keys.filter((one) => one === keyId).length }))
    .toSorted((a, b) => b.users - a.users || (a.keyId < b.keyId ? -1 : 1));
  const faultsOf = (keyId: string, arm: string): FaultTally => {
    const own = usersOf(
      ofBake.filter((turn) => turn.arm === arm),
      exposure,
      request,
    ).filter(({ turns: [first] }) => first!.keyId === keyId);
    const results = own.map(({ counted }) => counted.map(({ calls }) => resultOf(calls[0])));
    return {
      users: own.length,
      firstCalls: results.filter(([result]) => result === 'success' || result === 'fault').length,
      firstCallFaults: results.filter(([result]) => result === 'fault').length,
      faultyUsers: results.filter((all) => all.includes('fault')).length,
    };
  };
  const keyFaults = [...new Set(keys)].toSorted().map((keyId): KeyFaults => {
    return { keyId, baseline: faultsOf(keyId, baselineArm), canary: faultsOf(keyId, canaryArm) };
  });
  const most = (trouble: 'faultyUsers' | 'firstCallFaults') =>
    keyFaults.filter(({ canary }) => canary[trouble] > 0).toSorted((a, b) => b.canary[trouble] - a.canary[trouble])[0];
  const faultiest = [most('faultyUsers'), most('firstCallFaults')];
  const faultiestKeys = keyFaults.filter((key) => faultiest.includes(key));
  const languages = [...new Set(usersByLanguage(ofBake).keys())];
  return {
    rule: 2,
    atMs,
    bake,
    closed: closedUsers(),
    baseline: tallyOf(ofBake, baselineArm, true),
    canary: tallyOf(ofBake, canaryArm, true),
    languages: languages
      .map((language) => ({
        language,
        baseline: tallyOf(usersByLanguage(ofBake).get(language)!, baselineArm, false),
        canary: tallyOf(usersByLanguage(ofBake).get(language)!, canaryArm, false),
      }))
      .filter(({ baseline, canary }) => baseline.users + canary.users > 0)
      .toSorted(
        (a, b) =>
          b.baseline.users + b.canary.users - a.baseline.users - a.canary.users || (a.language < b.language ? -1 : 1),
      ),
    limits,
    newestCanaryAtMs: ends.length === 0 ? null : Math.max(...ends),
    ...(largestKey && { canaryLargestKey: largestKey }),
    ...(faultiestKeys.length > 0 && { canaryFaultiestKeys: faultiestKeys }),
    ...(canaryUsers.length > 0 && {
      canaryLargestUserTurns: Math.max(...canaryUsers.map((user) => user.turns.length)),
    }),
  };

  function closedUsers() {
    const ofRollout = usersOf(
      turns.filter(({ arm }) => arm === canaryArm),
      exposure,
      request,
    );
    const ended = ofRollout
      .filter(({ closesAtMs }) => closesAtMs <= atMs)
      .map(({ counted }) => counted.map(({ calls }) => rolloutResultOf(calls[0])))
      .map((results) => ({
        calls: results.filter((result) => result === 'success' || result === 'fault').length,
        failed: results.filter((result) => result === 'fault').length,
      }))
      .filter(({ calls }) => calls > 0);
    const kinds = [...new Set(ended.map(({ calls, failed }) => `${calls} ${failed}`))];
    return kinds
      .map((kind) => {
        const own = ended.filter(({ calls, failed }) => `${calls} ${failed}` === kind);
        return { ...own[0]!, users: own.length };
      })
      .toSorted((a, b) => a.calls - b.calls || a.failed - b.failed);
  }

  function tallyOf(of: readonly SeenTurn[], arm: string, withHistograms: boolean): UserTally {
    const users = usersOf(
      of.filter((turn) => turn.arm === arm),
      exposure,
      request,
    );
    const results = users.map(({ counted }) => counted.map(({ calls }) => resultOf(calls[0])));
    const all = results.flat();
    const first = users.flatMap(({ counted }) => counted[0]!);
    const timed = first.flatMap(({ calls: [call] }) =>
      call?.outcome === 'answered' || call?.outcome === 'timeout' ? [call.latencyMs] : [],
    );
    const spoken = first.flatMap(({ calls: [call] }) =>
      call === undefined || call.firstTokenMs === null ? [] : [call.firstTokenMs],
    );
    const answered = first.filter(({ isAnswered }) => isAnswered);
    const standings = users.flatMap((user) => user.turns.map((turn) => turn.standings.at(-1)!));
    const signals = users.flatMap((user) => user.turns.flatMap(({ feedback }) => feedback ?? []));
    const closed = users.filter(({ closesAtMs }) => closesAtMs <= atMs);
    const sums = closed.map(({ counted }) => ({
      c: Math.round(ownCost(counted) / 1000),
      s: counted.filter(({ isAnswered }) => isAnswered).length,
    }));
    const slowAbove = (limit: number | null) => {
      if (maxLatencyPercent === null || limit === null) return Number.POSITIVE_INFINITY;
      return arm === canaryArm ? (limit * maxLatencyPercent) / 100 : limit;
    };
    return {
      users: users.length,
      firstCalls: results.filter(([result]) => result === 'success' || result === 'fault').length,
      firstCallFaults: results.filter(([result]) => result === 'fault').length,
      faultyUsers: results.filter((own) => own.includes('fault')).length,
      declinedUsers: results.filter((own) => own.includes('declined')).length,
      timedUsers: timed.length,
      slowUsers: timed.filter((ms) => ms > slowAbove(limits.callMs)).length,
      spokenUsers: spoken.length,
      slowToSpeakUsers: spoken.filter((ms) => ms > slowAbove(limits.firstTokenMs)).length,
      answeredUsers: answered.length,
      flaggedUsers: present(answerFlags, (flag) => answered.filter(({ flags }) => flags.includes(flag)).length),
      unhappyUsers: users.filter((user) =>
        user.turns.some(({ feedback }) => feedback === 'down' || feedback === 'handoff'),
      ).length,
      feedback: present(feedbackSignals, (signal) => signals.filter((one) => one === signal).length),
      cost: {
        users: closed.length,
        c: sum(sums.map(({ c }) => c)),
        s: sum(sums.map(({ s }) => s)),
        cc: sum(sums.map(({ c }) => c * c)),
        ss: sum(sums.map(({ s }) => s * s)),
        cs: sum(sums.map(({ c, s }) => c * s)),
      },
      successes: all.filter((result) => result === 'success').length,
      faults: all.filter((result) => result === 'fault').length,
      declined: all.filter((result) => result === 'declined').length,
      turns: standings.length,
      successfulTurns: standings.filter(({ isAnswered }) => isAnswered).length,
      costNanoUsd: ownCost(standings),
      latencies: withHistograms ? histogram(timed) : [],
      firstTokens: withHistograms ? histogram(spoken) : [],
    };
  }
}

function ownCost(standings: readonly Standing[]): number {
  return sum(standings.flatMap(({ calls }) => calls.map(({ isOwn, costNanoUsd }) => (isOwn ? costNanoUsd : 0))));
}

/** The language of a user is that of the first turn, in each arm. */
function usersByLanguage(ofBake: readonly SeenTurn[]): ReadonlyMap<string, readonly SeenTurn[]> {
  const byLanguage = new Map<string, SeenTurn[]>();
  for (const turn of ofBake) {
    const { language } = ofBake.find(({ user, arm }) => user === turn.user && arm === turn.arm)!;
    byLanguage.set(language, [...(byLanguage.get(language) ?? []), turn]);
  }
  return byLanguage;
}

function histogram(values: readonly number[]): UserTally['latencies'] {
  return [...new Set(values)].toSorted((a, b) => a - b).map((ms) => [ms, values.filter((one) => one === ms).length]);
}

function present<Name extends string>(names: readonly Name[], count: (name: Name) => number) {
  return Object.fromEntries(names.map((name) => [name, count(name)] as const).filter(([, number]) => number > 0));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
