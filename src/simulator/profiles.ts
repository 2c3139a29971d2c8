import type { SimulatedModels } from './behaviour';

/** Three tokens at a time, at 120 a second: a streamed answer can be seen to come, and is whole within half a second. */
const pieceGapMs = 25;

/** The provider that is migrated away from, with the migration guide's figures: 420 ms on average, 15 % timeouts. */
export const legacyProfile: SimulatedModels = {
  'legacy-chat': {
    latency: { kind: 'lognormal', meanMs: 420, p95Ms: 900 },
    pieceGapMs,
    randomFaults: [{ fault: { kind: 'silence' }, probability: 0.15 }],
  },
};

/** The provider that is migrated to, with the migration guide's figures: 180 ms on average, 0.3 % timeouts. */
export const holysheepProfile: SimulatedModels = {
  'deepseek-v3.2': {
    latency: { kind: 'lognormal', meanMs: 180, p95Ms: 350 },
    pieceGapMs,
    randomFaults: [{ fault: { kind: 'silence' }, probability: 0.003 }],
  },
  'gemini-2.5-flash': {
    latency: { kind: 'lognormal', meanMs: 180, p95Ms: 350 },
    pieceGapMs,
    randomFaults: [{ fault: { kind: 'silence' }, probability: 0.003 }],
  },
};
