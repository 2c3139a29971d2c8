import { defaultConfig } from '../../../src/config/defaults';
import { standardPrice } from '../../../src/config/policy';
import type { ChatMessage } from '../../../src/contract/chat';
import { maxImageTokensOf } from '../../../src/domain/turn/image-tokens';
import { measurePrompt } from '../../../src/domain/turn/measure-text';
import { promptTokensUpperBound, toUsd, worstCaseNanoUsd } from '../../../src/domain/turn/prices';

const picture = (url: string): ChatMessage => ({
  role: 'user',
  content: [
    { type: 'text', text: 'What is it?' },
    { type: 'image_url', image_url: { url } },
  ],
});
const inline = (bytes: number) => picture(`data:image/png;base64,${'A'.repeat(bytes)}`);

test.each(Object.keys(defaultConfig.models))('a picture fits the budget of a session on %s, by default', (model) => {
  const prompt = measurePrompt([picture('bellwether-image:sha256-0')]);
  const { sessionUsd, maxCompletionTokens } = defaultConfig.budgets;
  const worstCase = worstCaseNanoUsd(standardPrice(model), prompt, maxCompletionTokens, maxImageTokensOf(model));
  expect(toUsd(worstCase)).toBeLessThan(Number(sessionUsd) / 2);
});

/** What providers document for the largest picture. */
test.each([
  ['gpt-4o-mini-2024-07-18', 2_833 + 8 * 5_667],
  ['openai/gpt-4o', 85 + 8 * 170],
  ['gpt-4.1', 1_536],
  ['gpt-4.1-mini', Math.ceil(1_536 * 1.62)],
  ['gpt-4.1-nano', Math.ceil(1_536 * 2.46)],
  ['o4-mini', Math.ceil(1_536 * 1.72)],
  ['o3', 75 + 8 * 150],
  ['gpt-5.2', 12_000],
  ['anthropic/claude-sonnet-4.5', 4_784],
  ['gemini-2.5-flash', 16 * 258],
  ['grok-4', 7 * 256],
  ['meta-llama/Llama-4-Scout-17B', 4 * 1_601],
  ['pixtral-12b', 4_096 + 64],
  ['qwen3-vl-plus', 16_384],
])('of %s, %i tokens of a picture are believed and reserved, and not twice as many', (model, charged) => {
  expect(maxImageTokensOf(model)).toBeGreaterThanOrEqual(charged);
  expect(maxImageTokensOf(model)).toBeLessThan(charged * 1.35);
});

test('the bytes of a picture are no tokens, and its address is text', () => {
  const small = measurePrompt([inline(10)]);
  expect(small).toMatchObject({ images: 1, messages: 1 });
  expect(measurePrompt([inline(1_000_000)])).toEqual(small);
  const address = 'https://example.com/cat.png';
  expect(measurePrompt([picture(address)]).bytes).toBe(small.bytes + address.length - 'data:'.length);
  expect(promptTokensUpperBound(small, 100)).toBe(promptTokensUpperBound(small) + 100);
});

test('a prompt without pictures is measured as it was before pictures were', () => {
  expect(measurePrompt([{ role: 'user', content: 'Hello' }])).not.toHaveProperty('images');
});
