import type { FailureKind } from '../contract/failures';
import type { BrokenExchange } from './exchange';
import { maxReasonCharacters, meanings } from './failure-words';
import { redact, type Confidential } from './redact';

interface Break {
  readonly kind: FailureKind;
  readonly retryable: boolean;
  readonly words: string;
}

/** What a call without a complete response was, and in words. */
export function describeBreak({ cause, sent, head }: BrokenExchange, confidential: Confidential): Break {
  switch (cause.kind) {
    case 'network':
      return describeNetworkError(cause.error, sent, head !== null);
    case 'too-large':
      return { kind: 'response-too-large', retryable: false, words: meanings['response-too-large'] };
    case 'malformed-chunk': {
      const words = 'the stream holds an event that cannot be read; text may be missing, so the answer is not used';
      return { kind: 'malformed-response', retryable: false, words };
    }
    case 'cut':
      return { kind: 'connection', retryable: true, words: 'the stream ended without a finish reason: it was cut' };
    case 'cancelled': {
      const reason = redact(wordsOf(cause.reason), confidential, maxReasonCharacters);
      return { kind: 'cancelled', retryable: false, words: `the call was stopped: ${reason}` };
    }
    case 'stalled':
      // What was silent for so long will mostly be silent again, and the turn has better uses for its time.
      return { kind: 'timeout', retryable: false, words: stallWords[cause.limit](cause.limitMs) };
    case 'timeout':
      break;
  }
  const words = sent ? meanings.timeout : 'no connection was free or made within the limit of the attempt';
  return { kind: 'timeout', retryable: true, words };
}

const stallWords = {
  firstByteMs: (limitMs: number) =>
    `no response began within the first-byte limit of ${limitMs} ms; a silent target is not asked again`,
  firstTokenMs: (limitMs: number) =>
    `no token came within the first-token limit of ${limitMs} ms; a silent target is not asked again`,
  idleMs: (limitMs: number) =>
    `nothing came after a token for the idle limit of ${limitMs} ms; a target that stands still is not asked again`,
} as const;

function describeNetworkError(error: Error, sent: boolean, hasHead: boolean): Break {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return { kind: 'cancelled', retryable: false, words: 'the call was stopped: the provider was closed' };
  }
  // After the headers, a parser error is a body that was cut.
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || (error.name === 'HTTPParserError' && !hasHead)) {
    return { kind: 'malformed-response', retryable: false, words: `the answer is not HTTP (${code})` };
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    const words = 'the request cannot be sent as it is; look for line breaks in the API key and for an invalid URL';
    return { kind: 'bad-request', retryable: false, words };
  }
  if (certificatePattern.test(code)) {
    const words = `the certificate was not accepted (${code}); check the base URL and the certificate authorities`;
    return { kind: 'connection', retryable: false, words };
  }
  const words = sent ? `the connection was lost during the call (${code})` : `no connection could be made (${code})`;
  return { kind: 'connection', retryable: true, words };
}

/** OpenSSL's verification results, as Node names them. */
const certificatePattern = /CERT|UNABLE_TO_|SELF_SIGNED|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH/;

function wordsOf(reason: unknown): string {
  if (reason instanceof Error) return reason.message;
  return typeof reason === 'string' ? reason : 'no reason was given';
}
