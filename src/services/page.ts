import type { Logger } from 'pino';
import { localKey } from '../access/local-key';
import { isLoopback } from '../access/loopback';
import type { Settings } from '../config/settings';
import type { Ledger } from '../contract/ledger';
import type { PageService } from '../contract/page';
import type { Policy } from '../contract/policy';
import { pagePartsOf, readPageData } from '../operator/page/read-page-data';
import { readSessionPage } from '../operator/page/read-session-page';
import { openLedgerOfOperator, operatorOn, type RolloutOperator } from '../operator/rollout-operator';
import { createOperatorPage, type OperatorPage } from '../page-server/page-routes';
import { startPageServer } from '../page-server/page-server';
import { closeAll, closeAllAndThrow, type Closing } from '../platform/close-all';
import { readPackageInfo } from '../platform/package-info';

export type ServiceFacts = Partial<Pick<PageService, 'isSimulated' | 'temporalUiUrl'>>;

export interface OpenPageOptions extends ServiceFacts {
  readonly ledger: Ledger;
  readonly settings: Settings;
  /** Default: that of `settings`, always. */
  readonly policyNow?: (() => Policy) | undefined;
  readonly logger: Logger;
}

/** The composition root of the operator's page. Whoever calls it owns the ledger. */
export function openPage(options: OpenPageOptions): {
  readonly page: OperatorPage;
  /** To be closed after the page. */
  readonly operator: RolloutOperator;
} {
  const { ledger, settings, logger, isSimulated = false, temporalUiUrl = null } = options;
  const { temporal, gateway, idKey } = settings;
  const policyNow = options.policyNow ?? (() => settings.policy);
  const operator = operatorOn({ rollouts: ledger.rollouts, close: async () => undefined }, settings);
  const service = { version: readPackageInfo().version, isSimulated, temporalUiUrl, namespace: temporal.namespace };
  const parts = pagePartsOf({ ledger, operator, policy: policyNow(), service });
  const page = createOperatorPage({
    ledger,
    operator,
    get policy() {
      return policyNow();
    },
    logger,
    allowedHosts: gateway.allowedHosts,
    readPage: (asked) => readPageData({ ...parts, policy: policyNow() }, asked),
    readSession: async (id) => {
      const session = await readSessionPage(parts, id, idKey);
      return session.turns.length === 0 ? null : session;
    },
  });
  return { page, operator };
}

export interface ServePageOptions {
  readonly settings: Settings;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly logger: Logger;
}

export interface ServedPage {
  readonly url: string;
  /** Logs in, once, within ten minutes. Null if the ledger is shared: everybody who operates it has a key of his own. */
  readonly loginLink: string | null;
  close(): Promise<void>;
}

/** The composition root of a process that serves the operator's page alone. Needs a ledger, and Temporal for most commands. */
export async function servePage({ settings, host, port, logger }: ServePageOptions): Promise<ServedPage> {
  const closings: Closing[] = [];
  try {
    const ledger = await openLedgerOfOperator(settings);
    closings.push(() => ledger.close());
    const { page, operator } = openPage({ ledger, settings, logger });
    closings.push(() => operator.close());
    const server = await startPageServer({ page, host, port, settings: settings.gateway, logger });
    closings.push(() => server.close());
    const isOwnLedger = settings.databaseUrl === undefined && isLoopback(host);
    const key = isOwnLedger ? await localKey(ledger.keys, settings.dataDirectory, 'operator') : null;
    const loginLink = key === null ? null : page.loginLink(server.url, key);
    return { url: server.url, loginLink, close: () => closeAll(closings) };
  } catch (error) {
    return closeAllAndThrow(error, closings, (err) => logger.warn({ err }, 'closing failed'));
  }
}
