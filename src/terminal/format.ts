import wrapAnsi from 'wrap-ansi';
import type { ChatReply } from '../contract/chat';
import type { RolloutPhase } from '../contract/rollout';
import { formatDuration } from '../domain/rollout/clock';
import { percentOf } from '../domain/rollout/findings';
import { successInterval } from '../domain/rollout/migration-report';
import { formatUsd } from '../domain/turn/prices';
import { printable } from './printable';

/** `TakenOver`: another rollout routes turns, and this one had not ended. */
export const phaseIcons: Readonly<Record<RolloutPhase | 'TakenOver', string>> = {
  Progressing: '◌',
  Paused: '‖',
  Held: '▲',
  Promoting: '◉',
  Succeeded: '✔',
  RolledBack: '✖',
  TakenOver: '⇥',
};

/** `2026-11-24 17:10:05 UTC`. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `2026-11-24 17:10:05 UTC (in 5 h)`. */
export function formatMoment(ms: number, nowMs: number): string {
  const distance = ms >= nowMs ? `in ${formatDuration(ms - nowMs)}` : `${formatDuration(nowMs - ms)} ago`;
  return `${formatTime(ms)} (${distance})`;
}

/** `99.7% (99.14–99.9%)`: with Wilson's 95 % interval. */
export function formatSuccessRate(successes: number, requests: number): string {
  const interval = successInterval(successes, requests);
  return formatShare(interval && { rate: successes / requests, interval });
}

/** `99.7% (99.14–99.9%)`, with the interval that it has. */
export function formatShare(
  share: { readonly rate: number; readonly interval: { readonly low: number; readonly high: number } } | null,
): string {
  if (share === null) return '–';
  const { rate, interval } = share;
  return `${percentOf(rate)} (${percentOf(interval.low).slice(0, -1)}–${percentOf(interval.high)})`;
}

export function formatLatency(ms: number | null): string {
  return ms === null ? '–' : `${Math.round(ms)} ms`;
}

export function formatCostPerSuccess(costNanoUsd: number, successfulTurns: number): string {
  return successfulTurns === 0 ? '–' : formatUsd(Math.round(costNanoUsd / successfulTurns));
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** Untrusted text as one line that cannot control a terminal. */
export function oneLine(text: string): string {
  return printable(text).replaceAll(/[\n\t]+/g, ' ');
}

/**
 * Breaks text into lines of at most `width` terminal columns, each starting with `indent`: between words, and inside
 * words that are longer than a line, such as Chinese and Japanese sentences.
 */
export function wrapWords(text: string, width: number, indent: string, firstIndent = indent): readonly string[] {
  const lines = wrapAnsi(oneLine(text), Math.max(1, width - indent.length), { hard: true }).split('\n');
  return lines.map((line, index) => (index === 0 ? firstIndent : indent) + line);
}

/** Cuts a line to `columns` terminal columns. */
export function cutLine(line: string, columns: number): string {
  const fitting = (width: number): string => {
    const [first = ''] = wrapAnsi(line, Math.max(1, width), { hard: true, trim: false, wordWrap: false }).split('\n');
    return first;
  };
  return fitting(columns) === line ? line : `${fitting(columns - 1)}…`;
}

/** One line: who answered, how long it took and what it cost. */
export function footer(reply: ChatReply): string {
  const parts = [
    reply.model ? `${reply.provider} (${reply.model})` : reply.provider,
    ...(reply.rescued ? ['in place of the canary'] : []),
    `${reply.attempts} ${reply.attempts === 1 ? 'attempt' : 'attempts'}`,
    `${reply.latency_ms} ms`,
    `${reply.tokens_used} tokens`,
    `$${reply.cost_usd.toFixed(6)}`,
  ];
  if (reply.unconfirmed_usd > 0) parts.push(`and up to $${reply.unconfirmed_usd.toFixed(6)} unconfirmed`);
  if (reply.flags) parts.push(`⚑ ${reply.flags.join(', ')}`);
  if (reply.error) parts.push(reply.error);
  return oneLine(parts.join(' · '));
}
