import { Client, type Dispatcher, Pool } from 'undici';

/** TCP and TLS take a few round trips; a host that needs longer is unreachable. Leaves half of the first attempt's timeout. */
const connectTimeoutMs = 5_000;
/** Long enough to reuse connections between the turns of a conversation, shorter than the minute after which load balancers drop them. */
const keepAliveTimeoutMs = 30_000;

const options = {
  pipelining: 1,
  connectTimeout: connectTimeoutMs,
  keepAliveTimeout: keepAliveTimeoutMs,
  // The exchange's own timeout covers headers and body together.
  headersTimeout: 0,
  bodyTimeout: 0,
} as const;

/** A request whose sender wants to know which connection it is sent on. */
export interface ConnectedRequest extends Dispatcher.DispatchOptions {
  /** Called before the request is sent. */
  readonly onConnection?: (connection: Connection) => void;
}

/** One connection of a pool, which reconnects whenever it is lost. */
export class Connection extends Client {
  private hasServed = false;

  constructor(origin: string | URL, settings: Client.Options) {
    super(origin, settings);
    this.on('connect', () => (this.hasServed = false));
  }

  override dispatch(request: ConnectedRequest, handler: Dispatcher.DispatchHandler): boolean {
    request.onConnection?.(this);
    return super.dispatch(request, handler);
  }

  /** Call it when a request is sent. Returns whether the connection has served an earlier one. */
  use(): boolean {
    const { hasServed } = this;
    this.hasServed = true;
    return hasServed;
  }
}

/** A provider's keep-alive connections. */
export class Connections {
  readonly pool: Pool;
  private readonly additional = new Set<Client>();

  constructor(
    private readonly origin: string,
    maxConnections: number,
  ) {
    this.pool = new Pool(origin, {
      ...options,
      connections: maxConnections,
      factory: (poolOrigin, settings) => new Connection(poolOrigin, settings),
    });
  }

  /** Opens a new connection for `use`, and closes it afterwards. */
  async withNewConnection<Result>(use: (dispatcher: Dispatcher) => Promise<Result>): Promise<Result> {
    const client = new Client(this.origin, options);
    this.additional.add(client);
    try {
      return await use(client);
    } finally {
      // It may already have been destroyed.
      const closed = client.close().catch(() => undefined);
      void closed.finally(() => this.additional.delete(client));
    }
  }

  /** Calls in flight end as `cancelled`. */
  async close(): Promise<void> {
    await Promise.all([this.pool, ...this.additional].map((dispatcher) => dispatcher.destroy()));
  }
}
