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
  if (cause.kind === 'network') return describeNetworkError(cause.error, sent, head !== null);
  if (cause.kind === 'too-large') {
    return { kind: 'response-too-large', retryable: false, words: meanings['response-too-large'] };
  }
  if (cause.kind === 'cancelled') {
    const reason = redact(wordsOf(cause.reason), confidential, maxReasonCharacters);
    return { kind: 'cancelled', retryable: false, words: `the call was stopped: ${reason}` };
  }
  const words = sent ? meanings.timeout : 'no connection was free or made within the limit of the attempt';
  return { kind: 'timeout', retryable: true, words };
}

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
