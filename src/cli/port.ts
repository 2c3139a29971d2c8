import { InvalidArgumentError } from 'commander';

/** A port as a flag gives it; 0 is any free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new InvalidArgumentError('A port is a whole number from 0 to 65535; 0 takes a free one.');
  }
  return port;
}
