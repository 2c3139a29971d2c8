import { createHash, randomUUID } from 'node:crypto';
import {
  startWireServer,
  type WireAnswer,
  type WireFault,
  type WireFormat,
  type WireRequest,
  type WireUsage,
} from '../../providers/native/wire-server';
import { type Heard, Refusal } from './heard';

/** A call in the log of a provider, which its invoice would be made of. */
export interface LoggedCall {
  /** `{turnId}.{attempt}`. */
  readonly requestId: string;
  /** null: refused, and not charged for. */
  readonly usage: WireUsage | null;
  readonly heard: Heard | null;
}

/** One side of the migration: a strict provider with a model behind it, and with a log of its own. */
export interface Side {
  readonly baseUrl: string;
  readonly calls: readonly LoggedCall[];
  /** What was wrong with requests. */
  readonly refusals: readonly string[];
  /** The next call gets it instead of an answer. */
  fail(fault: WireFault): void;
  close(): Promise<void>;
}

export interface SideOptions {
  readonly format: WireFormat;
  readonly apiKey: string;
  readonly callPrefix: string;
  readonly hear: (body: WireRequest['body']) => Heard;
  readonly signatureOf?: (thought: string) => string;
}

export async function startSide(options: SideOptions): Promise<Side> {
  const { format, apiKey } = options;
  const calls: LoggedCall[] = [];
  const refusals: string[] = [];
  const faults: WireFault[] = [];
  const expected = Object.entries(format.keyHeaders(apiKey));
  const cache = { isWarm: false };
  const server = await startWireServer(format, (request): WireAnswer | WireFault => {
    const requestId = String(request.headers['x-request-id']);
    const refused = (fault: WireFault): WireFault => {
      calls.push({ requestId, usage: null, heard: null });
      return fault;
    };
    const fault = faults.shift();
    if (fault !== undefined) return refused(fault);
    try {
      for (const [name, value] of expected) {
        if (request.headers[name] !== value) throw new Refusal(`the header ${name} is not ${value}`);
      }
      const heard = options.hear(request.body);
      const usage = usageOf(heard, calls.length, cache);
      calls.push({ requestId, usage, heard });
      return { ...answerTo(heard, options), usage };
    } catch (error) {
      refusals.push(`${requestId}: ${String(error)}`);
      return refused({ kind: 'error', error: 'bad-request' });
    }
  });
  return {
    baseUrl: server.baseUrl,
    calls,
    refusals,
    fail: (fault) => void faults.push(fault),
    close: () => server.close(),
  };
}

export function digestOf(base64: string): string {
  return createHash('sha256').update(base64).digest('hex').slice(0, 12);
}

/** The answer names its question, what the tools returned and what the images are. */
function answerTo(heard: Heard, { callPrefix, signatureOf = () => '' }: SideOptions): WireAnswer {
  const { question, results, images, hasTools, thinks, callIds } = heard;
  const reference = /\[ref:[^\]]*\]/.exec(question)?.[0] ?? 'no reference';
  const isAsked = results.length === 0 ? question.includes('look up') : results.includes('not yet');
  const thought = `I look for ${reference} after ${callIds.length} calls.`;
  const thoughts = thinks ? [{ text: thought, signature: signatureOf(thought) }] : [];
  if (hasTools && isAsked) {
    const names = question.includes('two orders') ? ['find_order', 'find_parcel'] : ['find_order'];
    const made = names.map((name) => ({
      id: `${callPrefix}${randomUUID().replaceAll('-', '').slice(0, 24)}`,
      name,
      input: { reference, tries: callIds.length },
    }));
    return { thoughts, calls: made };
  }
  const seen = images.map(digestOf).join(' ');
  return { thoughts, text: [reference, ` The tools say: ${results.join(', ')}.`, ` I see ${seen || 'nothing'}.`] };
}

/** Other numbers for each call, so that no two mistakes cancel each other. */
function usageOf({ caches, thinks, callIds }: Heard, count: number, cache: { isWarm: boolean }): WireUsage {
  const cached = caches ? 150 + (count % 7) : 0;
  const isRead = caches && cache.isWarm;
  cache.isWarm ||= caches;
  // What is kept expires now and then.
  if (count % 5 === 4) cache.isWarm = false;
  const thinkingTokens = thinks ? 11 + callIds.length : 0;
  return {
    freshTokens: 31 + (count % 13),
    cacheReadTokens: isRead ? cached : 0,
    cacheWriteTokens: isRead ? 0 : cached,
    outputTokens: 17 + thinkingTokens + (count % 11),
    thinkingTokens,
  };
}
