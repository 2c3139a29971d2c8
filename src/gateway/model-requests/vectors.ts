/** How many vectors a request may ask for, how many fit one turn, and how they are written. */
import type { ChatReply } from '../../contract/chat';
import { GatewayError } from '../gateway-error';

/** OpenAI's own limit. */
export const maxInputs = 2_048;

/**
 * Numbers in all vectors of one request: 1,000 vectors of the longest usual length, 3,072, and some 17 MB in base64, which
 * this process has in memory until the client has read them.
 */
export const maxNumbers = 3_200_000;

/** The same for all requests of this process: some 85 MB. */
const maxNumbersInFlight = 16_000_000;

/** Of the vectors of one turn: Temporal warns of results of over 512 KiB. */
const maxBytesOfTurn = 480 * 1024;

const bytesOfNumber = Float32Array.BYTES_PER_ELEMENT;

/** How many vectors of this length fit one turn's result. */
export function vectorsPerTurn(dimensions: number): number {
  const base64Length = Math.ceil((dimensions * bytesOfNumber) / 3) * 4;
  // With a space between two of them.
  return Math.max(1, Math.floor(maxBytesOfTurn / (base64Length + 1)));
}

/** Keeps the vectors of all requests together within this process's memory. */
export class VectorRoom {
  private taken = 0;

  constructor(private readonly room = maxNumbersInFlight) {}

  /** Returns how to give the room back. @throws {GatewayError} */
  take(numbers: number): () => void {
    if (this.taken + numbers > this.room) {
      throw new GatewayError(
        'overloaded',
        'This gateway has as many vectors in memory as it can hold, for other requests. Nothing was begun. Try again in a second.',
        { headers: { 'retry-after': '1' } },
      );
    }
    this.taken += numbers;
    let isTaken = true;
    return () => {
      if (isTaken) this.taken -= numbers;
      isTaken = false;
    };
  }
}

/** The vectors of a reply, each as a client asked for it. */
export function* writtenVectors({ content }: ChatReply, format: 'float' | 'base64'): Generator<string> {
  for (const base64 of content.split(' ')) {
    yield format === 'base64' ? JSON.stringify(base64) : `[${numbersIn(base64).join(',')}]`;
  }
}

/** Every float32 is exactly a number of JavaScript; its shortest decimal form reads back as the same number. */
function numbersIn(base64: string): readonly number[] {
  const bytes = Buffer.from(base64, 'base64');
  return Array.from({ length: Math.floor(bytes.length / bytesOfNumber) }, (_, index) =>
    bytes.readFloatLE(index * bytesOfNumber),
  );
}
