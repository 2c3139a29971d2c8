/** The simulated provider of this benchmark: one model for each purpose. */
import type { SimulatedModels } from '../../src/local/simulator/behaviour';

export interface ProviderTiming {
  readonly firstTokenMs: number;
  readonly pieceGapMs: number;
  /** Approximate number of pieces per answer. */
  readonly pieces: number;
}

/** Names that the default configuration has a price for. */
export const streamingModel = 'deepseek-v3.2';
/** For whole answers, without or through the proxy; the gateway always requests streams. */
export const wholeModel = 'gpt-4.1';
/** For streams that stay open. */
export const longModel = 'gemini-2.5-flash';

/** A whole answer takes 100 s, less than the 120 s after which it is aborted. */
const longAnswerMs = 100_000;

export function providerModels({ firstTokenMs, pieceGapMs, pieces }: ProviderTiming): SimulatedModels {
  return {
    [streamingModel]: { ...fixed(firstTokenMs), pieceGapMs },
    [wholeModel]: fixed(answerMs({ firstTokenMs, pieceGapMs, pieces })),
    [longModel]: { ...fixed(firstTokenMs), pieceGapMs: longAnswerMs / pieces },
  };
}

function fixed(ms: number) {
  return { latency: { kind: 'fixed', ms } } as const;
}

export function answerMs({ firstTokenMs, pieceGapMs, pieces }: ProviderTiming): number {
  return firstTokenMs + pieceGapMs * pieces;
}

/** A call that is aborted because a process was delayed would cause another one and invalidate the figures. */
const patienceMs = longAnswerMs;

/**
 * The configuration of the gateway and its worker: the default, with a rate that never limits, a target for long
 * answers, and long timeouts.
 */
export function benchConfiguration() {
  const provider = 'holysheep';
  return {
    gateway: { requestsPerMinute: 1_000_000 },
    stream: { firstByteMs: patienceMs, firstTokenMs: patienceMs, idleMs: patienceMs },
    defaultArm: 'holysheep',
    arms: {
      holysheep: {
        targets: [
          { name: 'primary', provider, model: streamingModel, usualLatencyMs: 300 },
          { name: 'long', provider, model: longModel, usualLatencyMs: longAnswerMs },
        ],
      },
    },
  };
}

/** The simulator answers with 10 pieces, plus 16 for each mark, which it repeats. */
const [unmarkedPieces, piecesPerMark] = [10, 16];
const mark = `[ref:${'x'.repeat(185)}]`;

export function questionFor(pieces: number): string {
  const marks = Math.max(0, Math.round((pieces - unmarkedPieces) / piecesPerMark));
  return ['Where is my order?', ...Array.from({ length: marks }, () => mark)].join(' ');
}
