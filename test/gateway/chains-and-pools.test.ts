import { faults } from '../../src/local/simulator/behaviour';
import { type Simulator, startSimulator } from '../../src/local/simulator/simulator';
import { turnIdOf, turnName } from '../../src/contract/names';
import { defaultArm, entry } from '../ledger/rollout-entries';
import { fallbackModel, primaryModel } from '../support/service';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';

let regions: Readonly<Record<'east' | 'west' | 'spare', Simulator>>;
let setting: GatewayService;
beforeAll(async () => {
  const start = () => startSimulator({ models: { 'gpt-4.1': {}, 'claude-sonnet-4.5': {} } });
  regions = { east: await start(), west: await start(), spare: await start() };
  const baseUrl = (name: keyof typeof regions) => ({ baseUrl: regions[name].baseUrl });
  setting = await startGatewayService({
    configuration: {
      providers: { east: baseUrl('east'), west: baseUrl('west'), spare: baseUrl('spare'), legacy: baseUrl('spare') },
      models: { 'legacy-chat': { price: 1 } },
      chains: {
        support: {
          targets: [
            {
              name: 'pool',
              model: 'gpt-4.1',
              // No member comes back in a test that does not bring it back.
              cooldownMs: 600_000,
              members: [{ provider: 'east' }, { provider: 'west' }],
            },
            { name: 'spare', provider: 'spare', model: 'claude-sonnet-4.5' },
          ],
        },
        'spare-only': { targets: [{ name: 'spare', provider: 'spare', model: 'claude-sonnet-4.5' }] },
      },
      retry: { baseDelayMs: 0, delayJitterMs: 0 },
    },
  });
});
afterAll(async () => {
  await setting.stop();
  for (const region of Object.values(regions)) await region.close();
});
afterEach(async () => {
  for (const simulator of [...Object.values(regions), setting.service.simulator]) {
    await simulator.setBehaviour('*', { alwaysFault: null });
    await simulator.clearCalls();
  }
});

interface Answer {
  readonly bellwether: { readonly turn_id: string; readonly provider: string; readonly handler: string };
}

async function ask(body: object, headers?: Readonly<Record<string, string>>) {
  const response = await setting.call('/v1/chat/completions', { ...hello, ...body }, headers);
  const answer = (await response.json()) as Answer & ErrorAnswer;
  return { status: response.status, ...answer };
}

/** The calls of each server since the last test, as the turn and attempt that each was made for. */
async function callsOf(server: Simulator): Promise<readonly string[]> {
  return (await server.calls()).map(({ requestId }) => requestId ?? '');
}

/** The rows of turns, as provider's logs name their calls. */
async function rowsOf(turnIds: readonly string[]) {
  const rows = await Promise.all(turnIds.map((turnId) => setting.service.ledger.attempts(turnId)));
  return rows.flat();
}

test('a chain is offered by name to keys that may use it, and takes the turns that name it', async () => {
  const list = (await (await setting.call('/v1/models')).json()) as { data: { id: string }[] };
  expect(list.data.map(({ id }) => id)).toEqual(expect.arrayContaining(['bellwether', 'support', 'spare-only']));
  const key = await setting.createKey({ models: ['spare-only'] });
  const headers = { authorization: `Bearer ${key}` };
  expect(await ask({ model: 'support' }, headers)).toMatchObject({ status: 403, error: { param: 'model' } });
  expect(await ask({ model: 'spare-only' }, headers)).toMatchObject({
    status: 200,
    bellwether: { provider: 'spare', handler: 'spare-only' },
  });
  expect(await callsOf(regions.spare)).toHaveLength(1);
});

test('no rollout moves or counts the turns of a chain', async () => {
  const { rollouts } = setting.service.ledger;
  await rollouts.record(entry(1, { percent: 100 }), defaultArm);
  const user = 'ann';
  expect(await ask({ user })).toMatchObject({ bellwether: { handler: 'holysheep', canary: true } });
  const evidence = () =>
    rollouts.evidence({
      rollout: 'november',
      bake: 1,
      baselineArm: 'legacy',
      canaryArm: 'holysheep',
      maxRequestsPerUser: 20,
      maxLatencyPercent: null,
    });
  const before = await evidence();
  expect(JSON.stringify(before)).toContain('"requests":1');
  expect(await ask({ user, model: 'support' })).toMatchObject({ bellwether: { handler: 'support', canary: false } });
  await regions.spare.setBehaviour('*', { alwaysFault: faults.serverError(400) });
  expect(await ask({ user, model: 'spare-only' })).toMatchObject({ error: { code: expect.any(String) as string } });
  expect({ ...(await evidence()), atMs: 0 }).toEqual({ ...before, atMs: 0 });
});

describe('fallbacks', () => {
  test.each([
    ['an unknown one', { fallbacks: [primaryModel, 'gpt-9'] }, 400, 'fallbacks[1]'],
    ['six', { fallbacks: Array.from({ length: 6 }, () => primaryModel) }, 400, 'fallbacks'],
    ['one that is no name', { fallbacks: ['support', 7] }, 400, 'fallbacks[1]'],
  ])('%s is refused by its place', async (_, body, status, param) => {
    expect(await ask(body)).toMatchObject({ status, error: { param } });
  });

  test('that the key may not use are refused, the first of them by its place', async () => {
    const key = await setting.createKey({ models: ['bellwether', 'support'] });
    const headers = { authorization: `Bearer ${key}` };
    expect(await ask({ fallbacks: ['support', 'spare-only'] }, headers)).toMatchObject({
      status: 403,
      error: { code: 'model_not_allowed', param: 'fallbacks[1]' },
    });
  });

  test('are tried in order once the own chain has failed, each call with its row', async () => {
    const { simulator } = setting.service;
    await simulator.setBehaviour('*', { alwaysFault: faults.serverError(400) });
    const { bellwether } = await ask({ fallbacks: ['bellwether', fallbackModel, 'spare-only', 'support'] });
    expect(bellwether).toMatchObject({ provider: 'spare', handler: 'holysheep' });
    expect(bellwether).not.toHaveProperty('rescued');
    const rows = await rowsOf([bellwether.turn_id]);
    expect(rows.map(({ arm, target }) => [arm, target])).toEqual([
      ['holysheep', 'holysheep-primary'],
      ['holysheep', 'holysheep-fallback'],
      ['spare-only', 'spare'],
    ]);
    const names = rows.map(({ attempt }) => `${bellwether.turn_id}.${attempt}`);
    expect([...(await callsOf(simulator)), ...(await callsOf(regions.spare))]).toEqual(names);
  });
});

describe('a pool', () => {
  const session = (name: string) => ({ 'x-bellwether-session': name });

  /** So many sessions that each member is first for some. */
  async function askAsSessions(count: number, prefix: string) {
    const answers = [];
    for (let index = 0; index < count; index += 1) {
      answers.push(await ask({ model: 'support' }, session(`${prefix}-${index}`)));
    }
    return answers;
  }

  test('keeps a session with one member, and gives each member some', async () => {
    await askAsSessions(12, 'sticky');
    const [east, west] = [(await callsOf(regions.east)).length, (await callsOf(regions.west)).length];
    expect(east + west).toBe(12);
    expect(Math.min(east, west)).toBeGreaterThan(0);
    await askAsSessions(12, 'sticky');
    expect([(await callsOf(regions.east)).length, (await callsOf(regions.west)).length]).toEqual([2 * east, 2 * west]);
  });

  test('rests a member that fails, with one row for each call, and goes to the next target when all rest', async () => {
    await regions.east.setBehaviour('*', { alwaysFault: faults.rateLimited({ 'retry-after': '300' }) });
    const first = await askAsSessions(8, 'rested');
    expect(first.every(({ bellwether }) => bellwether.provider === 'pool')).toBe(true);
    // Only the first session that east had been for was sent there.
    expect(await callsOf(regions.east)).toHaveLength(1);
    expect(await callsOf(regions.west)).toHaveLength(8);

    await regions.west.setBehaviour('*', { alwaysFault: faults.serverError() });
    const last = await askAsSessions(3, 'rested');
    expect(last.map(({ bellwether }) => bellwether.provider)).toEqual(['spare', 'spare', 'spare']);
    expect(await callsOf(regions.west)).toHaveLength(9);
    expect(await callsOf(regions.east)).toHaveLength(1);

    const keyId = setting.key.split('_')[1] ?? '';
    const names = [...first, ...last].map(({ bellwether }, index) => {
      const place = index < first.length ? index : index - first.length;
      return turnName(bellwether.turn_id, `${keyId}.rested-${place}`);
    });
    const rows = await rowsOf(names);
    const calls = await Promise.all(Object.values(regions).map(callsOf));
    // A turn whose first target rests has a row for what was reserved, and no call.
    const made = rows.filter(({ outcome }) => outcome !== 'circuit-open');
    expect(rows.length - made.length).toBe(2);
    expect(made.map(({ turnName: name, attempt }) => `${turnIdOf(name)}.${attempt}`).toSorted()).toEqual(
      calls.flat().toSorted(),
    );
  });
});
