/** The simulated provider as this benchmark sets it up: models by what they are asked for. */
import type { SimulatedModels } from '../../src/local/simulator/behaviour';

export interface ProviderTiming {
  readonly firstTokenMs: number;
  readonly pieceGapMs: number;
  /** About so many make an answer. */
  readonly pieces: number;
}

/** Names that the default configuration has a price for. */
export const streamingModel = 'deepseek-v3.2';
/** Asked for whole answers by whoever asks so; the gateway asks for streams always. */
export const wholeModel = 'gpt-4.1';
/** For streams that stay open. */
export const longModel = 'gemini-2.5-flash';

/** The whole of it takes a hundred seconds, less than the 120 s after which an answer is broken off. */
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

/** A call that was broken off because a process was held up would be another one, and make the figures worthless. */
const patienceMs = longAnswerMs;

/**
 * Of the gateway and its worker: the default, a rate that never limits, the model of long answers known as such, and
 * patience with the provider.
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

/** The simulator's answer to this is 10 pieces long, and 16 longer for each mark, which it repeats. */
const [unmarkedPieces, piecesPerMark] = [10, 16];
const mark = `[ref:${'x'.repeat(185)}]`;

export function questionFor(pieces: number): string {
  const marks = Math.max(0, Math.round((pieces - unmarkedPieces) / piecesPerMark));
  return ['Where is my order?', ...Array.from({ length: marks }, () => mark)].join(' ');
}
