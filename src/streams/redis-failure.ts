/**
 * Why Redis cannot be used, in a word: a system's error code, or Redis's own name for it. Nothing more of the error goes
 * out: its message and its fields may repeat what was sent, which is message text or the password.
 */
export function describeRedisFailure(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown';
  if ('errors' in error && Array.isArray(error.errors)) return describeRedisFailure(error.errors[0]); // one per address
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (!('name' in error && 'message' in error)) return 'unknown';
  const firstWord = String(error.message).split(' ', 1)[0] ?? '';
  return error.name === 'ReplyError' && /^[A-Z]+$/.test(firstWord) ? firstWord : String(error.name);
}
