import type { Child } from '../processes';

/** How a request wants its answer. */
export const deliveries = ['streamed', 'plain'] as const;
export type AnswerDelivery = (typeof deliveries)[number];

/** Where a way's requests go. */
export interface Endpoint {
  /** Up to and including `/v1`. */
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Model names for the request body. */
  readonly models: Readonly<Record<AnswerDelivery | 'long', string>>;
}

/** Processes whose CPU time is reported separately; callers connect to `front`. */
export const measuredProcesses = ['front', 'worker', 'server', 'redis', 'simulator', 'caller'] as const;
export type MeasuredProcess = (typeof measuredProcesses)[number];

/** One way from a caller to the provider. */
export interface GatewayWay {
  readonly name: string;
  readonly title: string;
  readonly endpoint: Endpoint;
  /** The ids of its processes. */
  readonly pids: Partial<Readonly<Record<MeasuredProcess, number>>>;
  /** Its own programs by name, whose memory is measured; empty for the direct call. */
  readonly programs: Readonly<Record<string, Child>>;
}

export const wayNames = ['direct', 'proxy', 'joined', 'split'] as const;
export type WayName = (typeof wayNames)[number];

export const wayTitles: Readonly<Record<WayName, string>> = {
  direct: '(a) direct call',
  proxy: '(b) pass-through proxy',
  joined: '(c) Bellwether, one process',
  split: '(d) Bellwether, gateway, worker and Redis apart',
};
