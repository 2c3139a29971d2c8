import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { type Activities, createActivities } from '../../src/activities/create-activities';
import { TargetHealth } from '../../src/activities/target-health';
import type { ConfigFileInput } from '../../src/config/schema';
import type { Admission, ModelCallInput, OpenTurnInput, OpenedTurn } from '../../src/contract/turn';
import { measurePrompt } from '../../src/domain/turn/measure-text';
import type { Ledger } from '../../src/contract/ledger';
import { createProvider } from '../../src/providers/openai-compatible';
import type { Provider } from '../../src/contract/provider';
import { eventually } from '../support/eventually';
import { prepareService, type Service, type ServiceOptions } from '../support/service';
import { unique } from '../support/temporal';

type Admitted = Extract<Admission, { kind: 'admitted' }>;

/** A real ledger and real HTTP, and activities as one or more worker processes would have them. */
export interface Setting extends Service {
  /** The activities of one more worker process. */
  newProcess(ledger?: Ledger): Activities;
}

/** Never reached by a call that is meant to be answered, however slow the machine is. */
const patient = {
  retry: { baseTimeoutMs: 60_000 },
  stream: { firstByteMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 },
} satisfies ConfigFileInput;

export async function prepareSetting(options: ServiceOptions = {}): Promise<Setting> {
  const service = await prepareService({ ...options, configuration: { ...patient, ...options.configuration } });
  const providers = new Map<string, Provider>(
    service.settings.providers.map((settings) => [settings.name, createProvider(settings)]),
  );
  return {
    ...service,
    newProcess: (ledger = service.ledger) => {
      const { streams } = service;
      const { policy } = service.settings;
      const targets = new TargetHealth(policy);
      return createActivities({ ledger, providers, policy, streams, targets, owner: unique('process') });
    },
    stop: async () => {
      await Promise.all([...providers.values()].map((provider) => provider.close()));
      await service.stop();
    },
  };
}

export function newEnvironment(attempt = 1): MockActivityEnvironment {
  return new MockActivityEnvironment({ attempt }, { logger: new DefaultLogger('ERROR') });
}

export function newTurn(content = 'Where is my order?'): OpenTurnInput {
  const messages = [{ role: 'user', content }] as const;
  return { turnId: unique('turn'), sessionId: null, userId: null, messages, prompt: measurePrompt(messages) };
}

/** Runs `work` as the given attempt of an activity. */
export function inActivity<Result>(work: () => Promise<Result>, environment = newEnvironment()): Promise<Result> {
  return environment.run<[], Result, () => Promise<Result>>(work);
}

export function open(activities: Activities, turn: OpenTurnInput): Promise<OpenedTurn> {
  return inActivity(() => activities.openTurn(turn));
}

export async function callBegan({ simulator }: Setting): Promise<void> {
  await eventually('a call began', async () => (await simulator.calls()).length > 0);
}

/** Admits a turn whose first call is not made yet: its target's first attempt has to be a regular one. */
export async function admit(activities: Activities, turn: OpenTurnInput): Promise<Admitted> {
  const opened = await open(activities, turn);
  if (opened.kind !== 'admitted') throw new Error(`The turn was not left to the workflow: ${opened.kind}.`);
  return opened.admission;
}

/** The call of the admitted turn's first target, as the workflow asks for it. */
export function callOf(
  { turnId, messages, prompt }: OpenTurnInput,
  { arm, targets, ticket, deadlineAtMs }: Admitted,
  changes: Partial<ModelCallInput> = {},
): ModelCallInput {
  const [target] = targets;
  if (!target) throw new Error('The arm has no targets.');
  return { turnId, arm, target, messages, prompt, ticket, deadlineAtMs, earlierCalls: 0, ...changes };
}

/** The ledger with some of its methods replaced. */
export function ledgerWith(ledger: Ledger, changes: Partial<Ledger>): Ledger {
  return Object.assign(Object.create(ledger) as Ledger, changes);
}

export const regularFirst: ConfigFileInput = {
  arms: {
    holysheep: {
      targets: [
        { name: 'holysheep-primary', provider: 'holysheep', model: 'deepseek-v3.2', firstAttempt: 'regular' },
        { name: 'holysheep-fallback', provider: 'holysheep', model: 'gemini-2.5-flash' },
      ],
    },
  },
  defaultArm: 'holysheep',
};
