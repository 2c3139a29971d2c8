import { InvalidArgumentError } from 'commander';
import { usdAmount } from '../../config/dollars';
import { parseDuration } from '../duration';

/** It is a label in lists; an account or a mail address fits. */
const maxNameLength = 64;

/** Longer than the names of any provider's models. */
const maxModelLength = 200;

/** More than one process can serve: a larger number is a slip, and leaving the option out means the gateway's limit. */
const maxRequestsPerMinute = 1_000_000;

/** A longer time is a slip as well. */
const maxDays = 3_650;

const dayMs = 24 * 60 * 60 * 1000;

export function parseName(text: string): string {
  return printable(text, maxNameLength);
}

/** For an option that may be given several times. */
export function addModel(text: string, models: readonly string[] | undefined): readonly string[] {
  return [...new Set([...(models ?? []), printable(text, maxModelLength)])];
}

/** Dollars as nano-dollars. */
export function parseUsd(text: string): number {
  const { data, error } = usdAmount.safeParse(text);
  if (error === undefined) return data;
  const reasons = error.issues.map(({ message }) => message).join('; ');
  throw new InvalidArgumentError(`It ${reasons}.`);
}

export function parseRequestsPerMinute(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= maxRequestsPerMinute) return count;
  throw new InvalidArgumentError(
    "It must be a whole number from 1 to 1,000,000; leave it out for the gateway's limit.",
  );
}

/** `90d` from now, or the last moment of a UTC day: `2027-01-31`. */
export function parseExpiry(text: string, nowMs: number): number {
  const expiresAtMs = /^\d{4}-\d\d-\d\d$/.test(text) ? lastMomentOf(text) : nowMs + durationOf(text);
  if (!(expiresAtMs > nowMs)) throw new InvalidArgumentError('It must be in the future.');
  if (expiresAtMs > nowMs + maxDays * dayMs) {
    throw new InvalidArgumentError(
      `It must be at most ${maxDays}d from now; leave it out for a key that never expires.`,
    );
  }
  return expiresAtMs;
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw new InvalidArgumentError('It must be a time from now, as 90d or 12h, or a UTC day, as 2027-01-31.');
  }
}

function lastMomentOf(day: string): number {
  const startMs = Date.parse(`${day}T00:00:00.000Z`);
  // Not a number for a 13th month; another day for the 31st of February.
  const isDay = !Number.isNaN(startMs) && new Date(startMs).toISOString().startsWith(day);
  if (!isDay) throw new InvalidArgumentError('There is no such day.');
  return startMs + dayMs - 1;
}

function printable(text: string, maxLength: number): string {
  const trimmed = text.trim();
  if (trimmed !== '' && trimmed.length <= maxLength && !/\p{C}/u.test(trimmed)) return trimmed;
  throw new InvalidArgumentError(`It must have 1 to ${maxLength} characters, none of them a control character.`);
}
