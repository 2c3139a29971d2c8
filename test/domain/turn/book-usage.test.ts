import type { ReportedUsage } from '../../../src/contract/provider';
import * as fc from 'fast-check';
import type { ModelPrice } from '../../../src/contract/policy';
import { bookUsage } from '../../../src/domain/turn/book-usage';
import { promptTokensUpperBound } from '../../../src/domain/turn/prices';

const price: ModelPrice = {
  inputNanoUsdPerMillion: 420_000_000,
  outputNanoUsdPerMillion: 420_000_000,
  cachedInputNanoUsdPerMillion: 42_000_000,
  cjkMultiplierPercent: 100,
};
const prompt = { bytes: 40, characters: 40, cjkCharacters: 0, messages: 1 };
/** 40 bytes, and 16 tokens around the message and around all. */
const maxPromptTokens = 72;
const call = {
  price,
  reservedNanoUsd: 450_240,
  prompt,
  text: { characters: 100, cjkCharacters: 0 },
  hasSpoken: true,
  maxCompletionTokens: 65_536,
};
const claimed = (promptTokens: unknown, completionTokens: unknown, cachedPromptTokens = 0): ReportedUsage => ({
  promptTokens,
  cachedPromptTokens,
  completionTokens,
});
const standIn = { state: 'unconfirmed', costNanoUsd: call.reservedNanoUsd, usage: null };

test('a claim within the reservation is booked as it is, and nothing is told', () => {
  expect(bookUsage(claimed(10, 100, 4), call)).toEqual({
    state: 'settled',
    costNanoUsd: 6 * 420 + 4 * 42 + 100 * 420,
    usage: { promptTokens: 10, cachedPromptTokens: 4, completionTokens: 100 },
  });
});

test('a call whose provider claims nothing counts at its reservation, and nothing is told', () => {
  expect(bookUsage(null, call)).toEqual(standIn);
});

test('a claim over the reservation is booked as it is, up to what the target can produce, and told', () => {
  expect(bookUsage(claimed(10, 65_536), call)).toEqual({
    state: 'settled',
    costNanoUsd: 65_546 * 420,
    usage: { promptTokens: 10, cachedPromptTokens: 0, completionTokens: 65_536 },
    usageNote:
      'Over the reservation: 10 prompt tokens and 65536 completion tokens cost $0.027529; $0.000450 was reserved.',
  });
});

test.each<[string, ReportedUsage, string]>([
  [
    'more than the target can produce',
    claimed(10, 65_537),
    'completion_tokens is 65537, more than the 65536 that the target can produce (maxOutputTokens)',
  ],
  ['a billion tokens', claimed(10, 1e9), 'completion_tokens is 1000000000, more than'],
  ['more than 32 bits', claimed(10, 3e9), 'completion_tokens is 3000000000, more than'],
  ['more than a number holds exactly', claimed(10, 1e300), 'completion_tokens is 1e+300, more than'],
  ['infinity', claimed(10, Infinity), 'completion_tokens is Infinity, which is not a count'],
  ['no number', claimed(10, Number.NaN), 'completion_tokens is NaN, which is not a count'],
  ['a negative number', claimed(10, -5), 'completion_tokens is -5, which is not a count'],
  ['a fraction', claimed(10, 1.5), 'completion_tokens is 1.5, which is not a count'],
  ['digits as text', claimed(10, '100'), 'completion_tokens is of type string, which is not a count'],
  ['null', claimed(null, 100), 'prompt_tokens is null, which is not a count'],
  ['a list', claimed([10], 100), 'prompt_tokens is a list, which is not a count'],
  ['an object', claimed({}, 100), 'prompt_tokens is of type object, which is not a count'],
  ['nothing where a count should be', claimed(10, undefined), 'completion_tokens is missing'],
  ['no prompt', claimed(0, 100), 'prompt_tokens is 0, but there was a prompt'],
  ['nothing at all', { ...claimed(0, 0), totalTokens: 0 }, 'prompt_tokens is 0, but there was a prompt'],
  ['no answer', { ...claimed(10, 0), totalTokens: 10 }, 'completion_tokens is 0, but there was an answer'],
  ['a longer prompt than was sent', claimed(73, 100), 'prompt_tokens is 73, more than the 72 that the prompt can have'],
])('a claim of %s is not believed, and told', (_case, claim, doubt) => {
  const { usageNote, ...booking } = bookUsage(claim, call);
  expect(booking).toEqual(standIn);
  expect(usageNote).toContain(`Not believed: ${doubt}`);
});

test('a claim of no completion is believed if nothing was said, or if the total has it', () => {
  const usage = { promptTokens: 10, completionTokens: 0 };
  expect(bookUsage(claimed(10, 0), { ...call, hasSpoken: false })).toMatchObject({ state: 'settled', usage });
  expect(bookUsage({ ...claimed(10, 0), totalTokens: 50 }, call)).toMatchObject({ usage: { completionTokens: 40 } });
});

test('a claim whose cost no number holds exactly is not believed', () => {
  const dear = { ...call, price: { ...price, outputNanoUsdPerMillion: 1e15, cjkMultiplierPercent: 10_000 } };
  const chinese = { ...dear, text: { characters: 1, cjkCharacters: 1 } };
  expect(bookUsage(claimed(10, 65_536), dear)).toMatchObject({ state: 'settled', costNanoUsd: 65_536_000_004_200 });
  const { usageNote, ...booking } = bookUsage(claimed(10, 65_536), { ...chinese, maxCompletionTokens: 1e7 });
  expect(booking.state).toBe('settled');
  expect(usageNote).toContain('Over the reservation');
  expect(bookUsage(claimed(10, 1e6), { ...chinese, maxCompletionTokens: 1e7 })).toEqual({
    ...standIn,
    usageNote: "Not believed: at the target's price it would cost over $9,000,000.",
  });
});

const wild = fc
  .oneof(
    fc.anything(),
    fc.integer(),
    fc.double(),
    fc.nat({ max: 100 }),
    fc.nat({ max: 100_000 }),
    fc.constantFrom(-5, 1e9, 3e9, 1e15, 2 ** 53, Infinity, '100', undefined),
  )
  .map((value) => (value === 0 ? 0 : value)); // -0 is 0 in JSON

test('whatever is claimed, what is booked is a bounded number of whole tokens and nano-dollars, told where it is odd', () => {
  fc.assert(
    fc.property(wild, wild, fc.nat({ max: 100 }), fc.nat({ max: 1_000_000 }), (one, two, most, reservedNanoUsd) => {
      const claim = claimed(one, two, typeof one === 'number' ? Math.min(most, one) : 0);
      const booking = bookUsage(claim, { ...call, reservedNanoUsd });
      const { state, costNanoUsd, usage, usageNote } = booking;
      expect(JSON.parse(JSON.stringify(booking))).toEqual(booking);
      expect(Number.isSafeInteger(costNanoUsd) && costNanoUsd >= 0).toBe(true);
      expect((usageNote ?? '').length).toBeLessThan(200);
      if (state === 'unconfirmed') {
        expect({ costNanoUsd, usage }).toEqual({ costNanoUsd: reservedNanoUsd, usage: null });
        expect(usageNote).toMatch(/^Not believed: /);
        return;
      }
      expect(state).toBe('settled');
      expect(usage).toEqual(claim);
      expect(costNanoUsd).toBeLessThanOrEqual((maxPromptTokens + call.maxCompletionTokens) * 420);
      expect(usageNote === undefined).toBe(costNanoUsd <= reservedNanoUsd);
    }),
    { numRuns: 2_000 },
  );
});

test('what the prompt can be is the same bound as that of the reservation', () => {
  expect(promptTokensUpperBound(prompt)).toBe(maxPromptTokens);
});
