import type { Provider, ProviderKind, ProviderSettings } from '../contract/provider';
import { anthropic } from './native/anthropic';
import { bedrock } from './native/bedrock';
import { google } from './native/google';
import type { NativeKind } from './native/kind';
import { createNativeProvider } from './native/native-provider';
import { azure, openaiResponses } from './native/openai-responses';
import { createProvider as createCompatibleProvider } from './openai-compatible';

const nativeKinds: Readonly<Record<Exclude<ProviderKind, 'openai-compatible'>, NativeKind>> = {
  anthropic,
  google,
  'openai-responses': openaiResponses,
  azure,
  bedrock,
};

/** A provider of any kind, with its own pool of keep-alive connections. */
export function createProvider(settings: ProviderSettings): Provider {
  const { kind = 'openai-compatible' } = settings;
  return kind === 'openai-compatible'
    ? createCompatibleProvider(settings)
    : createNativeProvider(settings, nativeKinds[kind]);
}
