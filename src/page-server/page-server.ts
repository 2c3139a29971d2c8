import type { Logger } from 'pino';
import type { GatewaySettings } from '../config/settings';
import { pagePaths } from '../contract/page';
import { refuseForeignPages } from '../gateway/access';
import { configuredLimits, gatewayLimits } from '../gateway/limits';
import { closeServer, createServer } from '../gateway/server';
import type { OperatorPage } from './page-routes';

export interface PageServerOptions {
  readonly page: OperatorPage;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly settings: GatewaySettings;
  readonly logger: Logger;
}

export interface PageServer {
  /** `http://127.0.0.1:8081`. */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the operator's page alone, for those who run no gateway or keep the two apart. */
export async function startPageServer({ page, host, port, settings, logger }: PageServerOptions): Promise<PageServer> {
  const server = createServer({ ...gatewayLimits, ...configuredLimits(settings) }, logger);
  try {
    refuseForeignPages(server, host, settings);
    server.get('/', { schema: { hide: true } }, async (_request, reply) => reply.redirect(pagePaths.page));
    await page.register(server);
    const url = await server.listen({ host, port });
    return {
      url,
      close: async () => {
        page.close();
        await closeServer(server);
      },
    };
  } catch (error) {
    await closeServer(server);
    throw error;
  }
}
