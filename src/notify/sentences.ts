import type { HandOffEvent } from '../contract/hand-off';
import type { DaySpending } from '../contract/ledger';
import type { NewNotification, Notification, NotificationEvent, NotifyTarget } from '../contract/notifications';
import type { Verification } from '../contract/page-ledger';
import type { RolloutEntry } from '../contract/rollout';
import type { AuditRow } from '../contract/rollout-ledger';
import { formatUsd } from '../domain/turn/prices';
import type { RolloutWarning } from '../operator/warnings';

type Sentence = (rollout: string, percent: number, baseline: string, canary: string) => string;

/** By the action of an audit row. A wait, a refused command and an excluded time are nobody's news. */
const rolloutNews: Readonly<Partial<Record<string, { readonly event: NotificationEvent; readonly title: Sentence }>>> =
  {
    start: {
      event: 'started',
      title: (rollout, percent, baseline, canary) =>
        `Rollout ${rollout} has started: ${percent}% of users move from ${baseline} to ${canary}`,
    },
    advance: {
      event: 'advanced',
      title: (rollout, percent, _, canary) => `Rollout ${rollout} has advanced to ${percent}% on ${canary}`,
    },
    hold: {
      event: 'held',
      title: (rollout, percent, _, canary) => `Rollout ${rollout} is held at ${percent}% on ${canary}`,
    },
    pause: {
      event: 'paused',
      title: (rollout, percent, _, canary) => `Rollout ${rollout} is paused at ${percent}% on ${canary}`,
    },
    resume: {
      event: 'resumed',
      title: (rollout, percent, _, canary) => `Rollout ${rollout} goes on at ${percent}% on ${canary}`,
    },
    'roll-back': {
      event: 'rolled-back',
      title: (rollout, _percent, baseline) => `Rollout ${rollout} is rolled back: all users are on ${baseline}`,
    },
    finish: {
      event: 'finished',
      title: (rollout, _percent, _baseline, canary) => `Rollout ${rollout} has finished: all users are on ${canary}`,
    },
  };

/** What a decision or command is to people; null if it changes nothing for them. */
export function rolloutNotification(row: AuditRow): NewNotification | null {
  const news = rolloutNews[row.action];
  if (news === undefined) return null;
  const { spec, decision } = JSON.parse(row.entry) as RolloutEntry;
  const { baselineArm, canaryArm } = spec;
  const { percent, phase } = decision.next;
  const { rollout, sequence, actor, atMs } = row;
  return {
    event: news.event,
    rollout,
    title: news.title(rollout, percent, baselineArm, canaryArm),
    text: row.reason,
    facts: { sequence, phase, percent, baselineArm, canaryArm, actor, at: new Date(atMs).toISOString() },
  };
}

export function stalledNotification(rollout: string, { code, message }: RolloutWarning): NewNotification {
  return {
    event: 'stalled',
    rollout,
    title: `Rollout ${rollout} decides nothing at the moment`,
    text: message,
    facts: { cause: code },
  };
}

/** In percent of what a day may cost, ascending. Not 100: turns are refused before the last cent is spent. */
export const budgetLevels = [0, 50, 80, 95] as const;
export type BudgetLevel = (typeof budgetLevels)[number];

const untilMidnight = 'until midnight UTC; `budgets.dayUsd` of the workers says how much a day may cost.';

export function budgetNotification(level: BudgetLevel, spending: DaySpending, capNanoUsd: number): NewNotification {
  return {
    event: 'budget',
    rollout: null,
    title: `${level}% of the day's budget is used`,
    text:
      `${spentOf(spending, capNanoUsd)}. Once the rest is less than a turn could cost, that turn is refused, ` +
      untilMidnight,
    facts: { cause: 'spent', level, ...spending, capNanoUsd },
  };
}

/** One request may ask for more than others, or calls in flight may reserve the rest for a while: it is not used up yet. */
export function budgetRefusalNotification(
  level: BudgetLevel,
  spending: DaySpending,
  capNanoUsd: number,
): NewNotification {
  return {
    event: 'budget',
    rollout: null,
    title: "A turn was refused: it could have cost more than is left of the day's budget",
    text:
      `${spentOf(spending, capNanoUsd)}, and ${formatUsd(spending.reservedNanoUsd, 2)} is reserved for calls in flight. ` +
      `Turns that could cost more than the rest are refused ${untilMidnight}`,
    facts: { cause: 'refused', level, ...spending, capNanoUsd },
  };
}

function spentOf({ day, spentNanoUsd }: DaySpending, capNanoUsd: number): string {
  return `Turns of ${day} (UTC) have cost ${formatUsd(spentNanoUsd, 2)} of ${formatUsd(capNanoUsd, 2)}`;
}

export function circuitNotification(
  { provider, model }: { readonly provider: string; readonly model: string },
  targets: readonly string[],
  failures: number,
): NewNotification {
  const named = targets.length === 0 ? 'It' : targets.join(' and ');
  return {
    event: 'circuit-opened',
    rollout: null,
    title: `${provider} does not answer calls of ${model}`,
    text:
      `${named} failed ${failures} times in a row at a worker, which now calls the next target of the chain instead. It ` +
      'tries again every few seconds, and goes back by itself.',
    facts: { provider, model, targets: targets.join(', ') },
  };
}

export function verifyNotification({ message, position }: Verification): NewNotification {
  return {
    event: 'verify-failed',
    rollout: null,
    title: 'The audit trail does not add up',
    text: `${message} \`bellwether rollout verify\` says more; docs/production.md, "Backups", says how to restore the ledger.`,
    facts: { intactUntilPosition: position },
  };
}

/** Says which session it is, and nothing of what was said in it. */
export function handOffNotification(event: HandOffEvent): NewNotification {
  const { sessionId, atMs } = event;
  const facts = { session: sessionId, at: new Date(atMs).toISOString() };
  if (event.kind === 'message') {
    const title = `A message waits for a person in session ${sessionId}`;
    const text = 'Its transcript has the message.';
    return { event: 'message-while-handed-over', rollout: null, title, text, facts: { ...facts, turn: event.turnId } };
  }
  if (event.kind === 'handed-over') {
    const title = `Session ${sessionId} is handed over to a person`;
    const text = 'No model answers in it until it is given back. Its transcript says why, and what was said.';
    return { event: 'session-handed-over', rollout: null, title, text, facts };
  }
  const { cause } = event;
  const title = `Session ${sessionId} is given back to the model`;
  const text =
    cause === 'asked'
      ? 'The model answers its next message.'
      : 'Nobody has said anything in it for a week, so it has ended. Its next message begins it anew, with the model.';
  return { event: 'session-given-back', rollout: null, title, text, facts: { ...facts, cause } };
}

/** An event that an activity tells again is no other. */
export function handOffKey(event: HandOffEvent): string {
  const which = event.kind === 'message' ? event.turnId : event.atMs;
  return `${event.kind}:${event.sessionId}:${which}`;
}

export function undeliveredNotification(target: string, { title }: Notification): NewNotification {
  return {
    event: 'undelivered',
    rollout: null,
    title: `${target} could not be told something for a day`,
    text: `The first thing that ${target} missed: ${title}. \`bellwether notify list\` says what went wrong.`,
    facts: { target },
  };
}

/** Whether a target is to be told. Nobody is told that they could not be told. */
export function wants({ name, events }: NotifyTarget, { event, facts }: Notification): boolean {
  if (event === 'test') return true;
  return events.has(event) && !(event === 'undelivered' && facts['target'] === name);
}
