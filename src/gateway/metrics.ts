import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { pagePaths } from '../contract/page';
import type { ChatReply } from '../contract/chat';

/** From an answer out of a cache to the longest turn that the default policy allows. */
const secondsBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 180];

/** What else the process counts, in Prometheus's text format. */
export interface OtherMetrics {
  text(): Promise<string>;
}

/** Counts of one gateway process. Labels are names of routes, statuses, arms and targets: few, and none from a caller. */
export class GatewayMetrics {
  private readonly registry = new Registry();
  private readonly requests = new Counter({
    name: 'bellwether_gateway_requests_total',
    help: 'Requests answered, by route and status.',
    labelNames: ['method', 'route', 'status'] as const,
    registers: [this.registry],
  });
  private readonly requestSeconds = new Histogram({
    name: 'bellwether_gateway_request_seconds',
    help: 'From the request to the last byte of its answer.',
    labelNames: ['route'] as const,
    buckets: secondsBuckets,
    registers: [this.registry],
  });
  private readonly firstTokenSeconds = new Histogram({
    name: 'bellwether_gateway_first_token_seconds',
    help: "From the request to the first text of a stream's answer.",
    buckets: secondsBuckets,
    registers: [this.registry],
  });
  private readonly openStreams = new Gauge({
    name: 'bellwether_gateway_open_streams',
    help: 'Streams being sent now.',
    registers: [this.registry],
  });
  private readonly turns = new Counter({
    name: 'bellwether_gateway_turns_total',
    help: 'Turns that ended here, by arm, target and outcome.',
    labelNames: ['handler', 'provider', 'outcome'] as const,
    registers: [this.registry],
  });
  private readonly costUsd = new Counter({
    name: 'bellwether_gateway_cost_usd_total',
    help: 'US dollars that providers confirmed, or may charge for calls of unknown outcome.',
    labelNames: ['handler', 'certainty'] as const,
    registers: [this.registry],
  });
  private readonly tokens = new Counter({
    name: 'bellwether_gateway_tokens_total',
    help: 'Tokens of the calls that answered.',
    labelNames: ['handler', 'kind'] as const,
    registers: [this.registry],
  });
  private readonly divergences = new Counter({
    name: 'bellwether_gateway_stream_divergences_total',
    help: 'Streams that ended in an error because a retry said something else than what was sent.',
    registers: [this.registry],
  });

  constructor(private readonly others?: OtherMetrics) {}

  get contentType(): string {
    return this.registry.contentType;
  }

  async text(): Promise<string> {
    return (await this.registry.metrics()) + ((await this.others?.text()) ?? '');
  }

  answered(method: string, route: string, status: number, milliseconds: number): void {
    this.requests.inc({ method, route, status: String(status) });
    // A page that is left open for hours is no slow request.
    if (route !== pagePaths.events) this.requestSeconds.observe({ route }, milliseconds / 1000);
  }

  firstToken(milliseconds: number): void {
    this.firstTokenSeconds.observe(milliseconds / 1000);
  }

  streamOpened(): void {
    this.openStreams.inc();
  }

  streamClosed(): void {
    this.openStreams.dec();
  }

  streamDiverged(): void {
    this.divergences.inc();
  }

  /** Once for each turn that this process began. */
  turnEnded(reply: ChatReply): void {
    const handler = reply.handler ?? 'none';
    const outcome = outcomeOf(reply);
    this.turns.inc({ handler, provider: reply.provider, outcome });
    this.costUsd.inc({ handler, certainty: 'confirmed' }, reply.cost_usd);
    this.costUsd.inc({ handler, certainty: 'unconfirmed' }, reply.unconfirmed_usd);
    if (reply.usage === undefined) return;
    this.tokens.inc({ handler, kind: 'prompt' }, reply.usage.prompt_tokens);
    this.tokens.inc({ handler, kind: 'completion' }, reply.usage.completion_tokens);
  }
}

type Outcome = 'blocked' | 'stopped' | 'handed_over' | 'answered' | 'failed';

function outcomeOf({ blocked, stopped, handed_over: isHandedOver, success }: ChatReply): Outcome {
  if (blocked) return 'blocked';
  if (stopped) return 'stopped';
  if (isHandedOver) return 'handed_over';
  return success ? 'answered' : 'failed';
}
