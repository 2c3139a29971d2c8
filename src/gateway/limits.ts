/** What one gateway process takes and how long it waits; every number with its reason. */
export interface GatewayLimits {
  readonly maxBodyBytes: number;
  readonly maxHeaderBytes: number;
  readonly requestTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxOpenRequests: number;
  readonly holdHeadersMs: number;
  readonly heartbeatMs: number;
  readonly readinessMs: number;
  readonly drainMs: number;
  readonly readWithinMs: number;
}

export const gatewayLimits: GatewayLimits = {
  /** All messages of a turn fit Temporal's 2 MB payload only when a request stays under half of it. */
  maxBodyBytes: 1024 * 1024,
  /** Node's own default: the longest ids and keys that are accepted take one of the sixteen. */
  maxHeaderBytes: 16 * 1024,
  /** From a request's first byte to its last: 1 MB at the speed of a slow telephone line. */
  requestTimeoutMs: 30_000,
  /** Headers fit one packet or two; who needs longer keeps a connection busy on purpose. */
  headersTimeoutMs: 10_000,
  /** Longer than the 60 s that load balancers keep an idle connection: the side that sends must be the one to close it. */
  keepAliveTimeoutMs: 65_000,
  /** Each may hold a body of 1 MB and what its client has not read yet: some gigabytes at the very worst. */
  maxOpenRequests: 4_000,
  /** A stream's headers wait so long for a first piece or an error, which can then have a status of its own. */
  holdHeadersMs: 2_000,
  /** Proxies end connections that are silent for 30 s and longer; one comment may be lost to a slow network. */
  heartbeatMs: 10_000,
  /** Probes mostly allow a few seconds; what does not answer in two is not ready. */
  readinessMs: 2_000,
  /** Orchestrators kill after 30 s by default: what is left then is told so while there is time. */
  drainMs: 25_000,
  /** From a turn's end to the last byte of its stream: a whole answer of 100 KB at the speed of a slow telephone line. */
  readWithinMs: 30_000,
};
