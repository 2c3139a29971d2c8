/**
 * The most prompt tokens that a provider charges for one image, which are reserved before each call. There is a maximum
 * because providers scale images down. The first name that matches counts; values are rounded up a little.
 */
const byModelName: readonly (readonly [part: RegExp, tokens: number])[] = [
  // 2,833 + 5,667 for each of at most 8 tiles of 512 pixels (2,048 × 768).
  [/^gpt-4o-mini/, 48_500],
  // Patches of 32 pixels, at most 1,536 of them, times 1.62, 2.46 and 1.72.
  [/^gpt-4\.1-mini/, 2_600],
  [/^gpt-4\.1-nano/, 3_900],
  [/^o4-mini/, 2_800],
  // 85 + 170 for each of at most 8 tiles; 4.1 may count 1,536 patches.
  [/^(gpt-4|chatgpt-4o)/, 1_600],
  // 75 + 150 for each tile.
  [/^o[13]/, 1_600],
  // Up to 10,000 patches with all details, times 1.2.
  [/^gpt-5/, 12_500],
  // Width × height / 750, of at most 2,576 pixels a side: 4,784.
  [/^claude/, 5_000],
  // 258 for each of at most 16 tiles of 768 pixels; Gemini 3 up to 2,240.
  [/^gemini/, 4_500],
  // 256 for each of at most 6 tiles and one of the whole.
  [/^grok/, 2_000],
  // 1,601 for each of at most 4 tiles.
  [/^(meta-)?llama/, 6_500],
  // Patches of 16 pixels in 1,024 × 1,024, and an end token for each of 64 rows.
  [/^(pixtral|mistral|ministral|magistral)/, 4_300],
];

/** Qwen's models count up to 16,384, with `vl_high_resolution_images`; no other known model counts more. */
const ofUnknownModels = 17_000;

export function maxImageTokensOf(model: string): number {
  // Routers put the maker before the name: `openai/gpt-4o-mini`.
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase();
  return byModelName.find(([part]) => part.test(name))?.[1] ?? ofUnknownModels;
}
