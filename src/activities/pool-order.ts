import { createHash } from 'node:crypto';
import type { Target } from '../contract/policy';

/**
 * A chain with the members of each pool in the order to try them. The same `stickyKey` gives the same order, so that a
 * session stays where its prompts are cached; a member is first for its share of all keys. Members that rest come last.
 */
export function inPoolOrder(
  chain: readonly Target[],
  stickyKey: string,
  isResting: (target: Target) => boolean,
): readonly Target[] {
  const places = new Map<string, number>();
  for (const { name } of chain) if (!places.has(name)) places.set(name, places.size);
  return chain
    .map((target) => ({
      target,
      place: places.get(target.name) ?? 0,
      rests: isResting(target) ? 1 : 0,
      score: target.pool === undefined ? 0 : score(target, target.pool.weight, stickyKey),
    }))
    .toSorted((a, b) => a.place - b.place || a.rests - b.rests || a.score - b.score)
    .map(({ target }) => target);
}

/** Weighted rendezvous hashing: adding or removing a member moves only the keys that it gains or loses. */
function score({ provider, model }: Target, weight: number, stickyKey: string): number {
  const hash = createHash('sha256')
    .update(JSON.stringify([stickyKey, provider, model]))
    .digest();
  const fraction = (hash.readUIntBE(0, 6) + 1) / 2 ** 48;
  return -Math.log(fraction) / weight;
}
