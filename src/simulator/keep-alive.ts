/** Longer than clients keep connections: none is closed under a request that is just being sent. */
export const keepAliveTimeoutMs = 65_000;
