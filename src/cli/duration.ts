import { InvalidArgumentError } from 'commander';

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `1h`, `30m`, `1.5s`, `250ms`, `3d` in whole milliseconds. Throws commander's InvalidArgumentError for anything else. */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  const milliseconds = Math.round(Number(digits) * unitMs[unit as keyof typeof unitMs]);
  if (!Number.isSafeInteger(milliseconds)) {
    throw new InvalidArgumentError(`'${text}' is no duration; one is a number with a unit, as 1h, 30m, 5s or 2d.`);
  }
  return milliseconds;
}
