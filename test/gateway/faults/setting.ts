/**
 * A gateway in front of two providers over real HTTP, each with its own log of calls: one that a test makes fail, and one
 * that is well and comes next in the chain.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigFileInput } from '../../../src/config/schema';
import type { AttemptRow } from '../../../src/contract/ledger';
import { faultlessBehaviour } from '../../../src/local/simulator/behaviour';
import type { SimulatedCall } from '../../../src/local/simulator/call-log';
import { startSimulator, type Simulator } from '../../../src/local/simulator/simulator';
import { disagreements } from '../../support/audit';
import { eventually } from '../../support/eventually';
import { fallbackModel, primaryModel } from '../../support/service';
import { hello, startGatewayService, type GatewayService } from '../gateway-service';
import { ask, type Asked, type Manner } from './ask';

/** The key that the faulty provider gets; it must not be found in anything that is kept, logged or answered. */
export const providerKey = 'sk-faults-2f1d7c9a60b84e35';

/**
 * Short enough to be waited for. Only calls that never come to an end meet them: on a busy machine a good one might, too. The
 * limit of the whole call is as long as a test may take.
 */
const shortLimits = { firstByteMs: 1_000, firstTokenMs: 1_500, idleMs: 1_000 } as const;
export type ShortLimit = keyof typeof shortLimits;
const limitNames = Object.keys(shortLimits) as readonly ShortLimit[];
type Impatience = 'primary' | 'both';

/** The user whose turns have the same targets, with a short limit at the primary or at both. */
export function impatientUser(limit: ShortLimit, at: Impatience): string {
  return `${at}-${limit}`;
}

export const retry = { maxAttemptsPerTarget: 3, baseDelayMs: 200, delayJitterMs: 100, maxRetryAfterMs: 3_000 } as const;

const primaryTarget = { name: 'primary', provider: 'holysheep', model: primaryModel };
const fallbackTarget = { name: 'fallback', provider: 'spare', model: fallbackModel };

/** Each has the name of its user. */
function impatientArms() {
  return limitNames.flatMap((limit) => {
    const stream = { [limit]: shortLimits[limit] };
    const primary = { ...primaryTarget, stream };
    return [
      [impatientUser(limit, 'primary'), { targets: [primary, fallbackTarget] }] as const,
      [impatientUser(limit, 'both'), { targets: [primary, { ...fallbackTarget, stream }] }] as const,
    ];
  });
}

export interface FaultsSetting extends GatewayService {
  readonly primary: Simulator;
  readonly fallback: Simulator;
  /** Holds the faulty provider's key. */
  readonly keyFile: string;
  ask(manner: Manner, changes?: object, headers?: Readonly<Record<string, string>>): Promise<Asked>;
  calls(): Promise<{ readonly primary: readonly SimulatedCall[]; readonly fallback: readonly SimulatedCall[] }>;
  rows(turnId: string): Promise<readonly AttemptRow[]>;
  /** Both providers well again, with empty logs. */
  heal(): Promise<void>;
  /** What must hold after every fault: nothing is left open, and both targets answer at once. */
  expectHealthy(): Promise<void>;
  /** Where ledger and providers' logs disagree. */
  disagreements(turnId: string): Promise<readonly string[]>;
}

export async function startFaultsSetting(changes: ConfigFileInput = {}): Promise<FaultsSetting> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-faults-'));
  const keyFile = join(directory, 'key');
  writeFileSync(keyFile, providerKey);
  const primary = await startSimulator({ models: { [primaryModel]: {} } });
  const fallback = await startSimulator({ models: { [fallbackModel]: {} } });
  const setting = await startGatewayService({
    simulator: primary,
    configuration: {
      providers: { holysheep: { apiKeyFile: keyFile }, spare: { baseUrl: fallback.baseUrl } },
      arms: { holysheep: { targets: [primaryTarget, fallbackTarget] }, ...Object.fromEntries(impatientArms()) },
      defaultArm: 'holysheep',
      pinnedUsers: Object.fromEntries(impatientArms().map(([name]) => [name, name])),
      retry,
      ...changes,
    },
  });
  const calls = async () => ({ primary: await primary.calls(), fallback: await fallback.calls() });
  const heal = async (): Promise<void> => {
    for (const simulator of [primary, fallback]) {
      await simulator.setBehaviour('*', faultlessBehaviour);
      await simulator.setApiKeys(null);
      await simulator.clearCalls();
    }
  };
  const rows = (turnId: string) => setting.service.ledger.attempts(turnId);
  const askHere: FaultsSetting['ask'] = (manner, body = {}, headers = {}) =>
    ask(setting, manner, { ...hello, ...body }, headers);
  return {
    ...setting,
    primary,
    fallback,
    keyFile,
    ask: askHere,
    calls,
    rows,
    heal,
    expectHealthy: async () => {
      await eventually('no call is open', async () => {
        return (await primary.openCalls()) + (await fallback.openCalls()) === 0;
      });
      await heal();
      expect(await askHere('plain')).toMatchObject({ status: 200, answeredBy: 'primary', model: primaryModel });
      expect(await askHere('streamed', { model: fallbackModel })).toMatchObject({
        status: 200,
        answeredBy: 'fallback',
      });
      expect(await primary.calls()).toMatchObject([{ outcome: 'answered' }]);
      expect(await fallback.calls()).toMatchObject([{ outcome: 'answered' }]);
    },
    disagreements: async (turnId) => {
      const made = await calls();
      return disagreements(await rows(turnId), [...made.primary, ...made.fallback]);
    },
    stop: async () => {
      await setting.stop();
      await primary.close();
      await fallback.close();
      await rm(directory, { recursive: true });
    },
  };
}
