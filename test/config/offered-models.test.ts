import { providersOfOfferedModels, resolveOfferedModels, checkOfferedModels } from '../../src/config/offered-models';
import { type ConfigFileInput, configFileSchema } from '../../src/config/schema';

const stream = { firstByteMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 1 };

function problemsOf(config: ConfigFileInput): readonly string[] {
  const problems: string[] = [];
  const report = (path: readonly (string | number)[], _code: string, message: string) =>
    void problems.push(`${path.join('.')}: ${message}`);
  checkOfferedModels(
    configFileSchema.parse(config),
    new Map<string, { readonly kind?: 'anthropic' }>([
      ['one', {}],
      ['other-kind', { kind: 'anthropic' }],
    ]),
    report,
  );
  return problems;
}

const target = { provider: 'one', price: 0.02 };

test('a model is offered under its name, with what its targets cost for each token of the input and nothing beside', () => {
  const config = configFileSchema.parse({ embeddings: { small: { targets: [target], maxDimensions: 256 } } });
  const offered = resolveOfferedModels(config, stream)['embeddings/small'];
  expect(offered).toMatchObject({ operation: 'embeddings', model: 'small', maxDimensions: 256 });
  expect(offered?.targets).toMatchObject([
    {
      name: 'one/small',
      model: 'small',
      price: { inputNanoUsdPerMillion: 20_000_000, outputNanoUsdPerMillion: 0 },
      maxOutputTokens: 0,
    },
  ]);
  expect(providersOfOfferedModels(config)).toEqual(['one']);
});

test('moderations are free unless a price is given', () => {
  const config = configFileSchema.parse({ moderations: { omni: { targets: [{ provider: 'one' }] } } });
  const [offered] = Object.values(resolveOfferedModels(config, stream));
  expect(offered?.targets[0]?.price.inputNanoUsdPerMillion).toBe(0);
});

test('vectors of two models are not mixed, unless the configuration says that they are one model', () => {
  const targets = [target, { ...target, model: 'large' }];
  expect(problemsOf({ embeddings: { small: { targets } } })).toEqual([
    expect.stringMatching(/^embeddings\.small\.targets\.1\.model: "large" .* cannot be compared/),
  ]);
  expect(problemsOf({ embeddings: { small: { targets, mixesModels: true } } })).toEqual([]);
});

test('an unknown provider, one of another kind and a repeated target are told', () => {
  const targets = [{ ...target, provider: 'three' }, target, target, { ...target, provider: 'other-kind' }];
  expect(problemsOf({ embeddings: { small: { targets } } })).toEqual([
    expect.stringContaining('embeddings.small.targets.0.provider: no provider named "three"'),
    expect.stringContaining('embeddings.small.targets.2: an earlier target'),
    expect.stringContaining('embeddings.small.targets.3.provider: "other-kind" is of the kind anthropic'),
  ]);
});
