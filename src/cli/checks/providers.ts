import type { CallFailure, FailureKind } from '../../contract/failures';
import type { Policy } from '../../contract/policy';
import type { Settings } from '../../config/settings';
import { createProvider } from '../../providers/create-provider';
import type { ProviderSettings } from '../../contract/provider';
import type { Check, CheckOutcome } from './check';
import { allTargets } from '../../domain/turn/routing';

/** As long as a turn's first attempt may take: a provider that needs longer to list its models cannot answer turns in time. */
const listTimeoutMs = 10_000;

export function providerChecks({ providers, policy, simulated, temporal }: Settings): readonly Check[] {
  if (simulated) {
    const advice = 'For real models, set HOLYSHEEP_API_KEY in the environment or in .env.';
    const outcome: CheckOutcome =
      temporal.address === undefined
        ? { status: 'skipped', detail: 'simulated: no API key is set', advice }
        : { status: 'failed', detail: 'no API key is set, so `bellwether worker` cannot start here', advice };
    return [{ name: 'Providers', advice, run: () => outcome }];
  }
  return providers.map((provider) => ({
    name: `Provider ${provider.name}`,
    advice: `Is ${provider.baseUrl} right?`,
    run: () => checkProvider(provider, policy),
  }));
}

async function checkProvider(settings: ProviderSettings, policy: Policy): Promise<CheckOutcome> {
  const provider = createProvider(settings);
  try {
    const answer = await provider.listModels(listTimeoutMs);
    if (answer.kind === 'failed') {
      const { failure } = answer;
      const status = failure.httpStatus === null ? '' : `Status: ${failure.httpStatus}, `;
      return {
        status: 'failed',
        detail: `${settings.baseUrl}: ${status}${failure.message}`,
        advice: adviceFor(failure, settings),
      };
    }
    const detail = `${settings.baseUrl}: Status: ${answer.status}, Models available: ${answer.models.length}`;
    const unlisted = modelsOf(settings.name, policy).filter((model) => !answer.models.includes(model));
    if (unlisted.length === 0) return { status: 'ok', detail };
    return {
      status: 'ok',
      detail,
      advice: `Not in the provider's list, so either an alias or a mistake: ${unlisted.join(', ')}`,
    };
  } finally {
    await provider.close();
  }
}

function modelsOf(providerName: string, policy: Policy): readonly string[] {
  const targets = allTargets(policy);
  return [...new Set(targets.filter(({ provider }) => provider === providerName).map(({ model }) => model))];
}

function adviceFor({ kind }: CallFailure, { name, baseUrl, kind: format }: ProviderSettings): string {
  const reach = `Is ${baseUrl} right, and reachable from here (proxy, firewall, DNS)?`;
  const notAnApi =
    format === undefined || format === 'openai-compatible'
      ? `Is ${baseUrl} the address of an OpenAI-compatible API, up to and including /v1?`
      : `Is ${baseUrl} the address of an API of the kind ${format}?`;
  const advices: Record<FailureKind, string> = {
    unauthorized: `The provider refuses the key: check that ${keyVariable(name)} is complete and not expired.`,
    connection: reach,
    timeout: reach,
    'rate-limited':
      'The provider limits this key; turns will wait and retry. Ask for a higher limit, or try again later.',
    'server-error': 'The provider has an internal error; turns will retry and fall back. Try again later.',
    'bad-request': notAnApi,
    'malformed-response': notAnApi,
    'response-too-large': notAnApi,
    'context-length': notAnApi,
    'content-filter': notAnApi,
    cancelled: 'Run the check again.',
    budget: 'Run the check again.',
    'image-not-kept': 'Run the check again.',
    'circuit-open': 'Run the check again.',
  };
  return advices[kind];
}

function keyVariable(name: string): string {
  return name === 'holysheep' || name === 'legacy' ? `${name.toUpperCase()}_API_KEY` : 'its key';
}
