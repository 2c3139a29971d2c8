import { createHmac } from 'node:crypto';

/**
 * The headers of a delivery by the Standard Webhooks specification, which has libraries in most languages. One signature per
 * secret. @param attemptedAtMs of this attempt, so that a receiver can refuse what somebody recorded and sends again
 */
export function signedHeaders(
  id: string,
  attemptedAtMs: number,
  body: string,
  secrets: readonly Uint8Array[],
): Readonly<Record<string, string>> {
  const timestamp = `${Math.floor(attemptedAtMs / 1000)}`;
  const signatures = secrets.map((secret) => {
    const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`);
    return `v1,${mac.digest('base64')}`;
  });
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    ...(signatures.length > 0 && { 'webhook-signature': signatures.join(' ') }),
  };
}
