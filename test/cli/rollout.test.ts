import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { startSimulator, type Simulator } from '../../src/local/simulator/simulator';
import { eventually } from '../support/eventually';
import { primaryModel, startService, type Service } from '../support/service';
import { sharedTemporal, unique } from '../support/temporal';
import { type CliResult, CliWorkspace } from './run-cli';

jest.setTimeout(180_000);

let simulator: Simulator;
let service: Service;
const workspace = new CliWorkspace();

beforeAll(async () => {
  simulator = await startSimulator({ models: { [primaryModel]: {}, 'legacy-chat': {} } });
  service = await startService({
    simulator,
    temporal: sharedTemporal(),
    configuration: { defaultArm: 'legacy' },
    environment: { LEGACY_BASE_URL: simulator.baseUrl, LEGACY_API_KEY: 'sk-legacy' },
  });
});
afterEach(async () => {
  const split = await service.ledger.rollouts.split();
  if (split?.active) expect(await rollBack(split.rollout)).toMatchObject({ status: 0 });
});
afterAll(async () => {
  await service.stop();
  await simulator.close();
  await workspace.remove();
});

function rollout(...args: readonly string[]): Promise<CliResult> {
  return workspace.run(['rollout', ...args], service.environment);
}

function spawned(...args: readonly string[]): Promise<CliResult> {
  return workspace.spawn(['rollout', ...args], service.environment);
}

function json<T = Record<string, unknown>>(...args: readonly string[]): Promise<T> {
  return workspace.json(['rollout', ...args], service.environment) as Promise<T>;
}

function writeSpec(content: string): string {
  const file = join(workspace.directory, `${unique('spec')}.yaml`);
  writeFileSync(file, content);
  return file;
}

/** A few requests decide, and nothing does before an hour has passed. */
const unhurried = `
steps:
  - { percent: 50, nominalEnd: 1h, minimumBake: 1h }
interval: 500ms
gates: { alpha: 0.1, minimumSuccessRate: "50%", expectedSuccessRate: 0.99, breachSuccessRate: 0.2, minimumStepRequests: 5, maxLatencyPercent: null, maxCostPercent: null, userWindow: 1s, longestCall: 6s }
`;
/** The first few users must be closed within this, or the time of the plan is over without evidence. */
const hurried = unhurried.replaceAll('1h', '25s');

async function start(spec: string): Promise<string> {
  const name = unique('rollout');
  const { status, stderr } = await rollout('start', '--name', name, '--spec', writeSpec(spec), '--actor', 'ann');
  // A busy machine may be told that no worker has answered for 5 s.
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: expect.stringMatching(
      /^(Warning: gates\.longestCall is 6 s, [^\n]*\n)?(No worker has answered yet\. [^\n]*\n)?$/,
    ),
  });
  return name;
}

/** Of users on both sides of 50 %. */
async function sendTurns(count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      service.client.send({ sessionId: unique('session'), userId: `user-${index}`, content: 'Where is my order?' }),
    ),
  );
}

/** Evidence that is late would hold a rollout in a hurry. */
function keepSendingTurns(): { stop(): Promise<void> } {
  const over = new AbortController();
  const sending = (async () => {
    while (!over.signal.aborted) await sendTurns(40);
  })();
  return {
    stop: () => {
      over.abort();
      return sending;
    },
  };
}

function rollBack(name: string): Promise<CliResult> {
  return rollout('rollback', name, '--actor', 'ann', '--reason', 'the test is over');
}

describe('bellwether rollout', () => {
  it('is started, paused, resumed and rolled back, and records every actor and reason', async () => {
    const name = await start(unhurried);
    await sendTurns(20);
    expect(await json('status', name)).toMatchObject({
      rollout: name,
      phase: 'Progressing',
      workflow: 'running',
      percent: 50,
      routing: { rollout: name, percent: 50, active: true },
      routing_problem: null,
    });
    const { stdout } = await spawned('status');
    expect(stdout).toMatch(/◌ Progressing, step 1\/1/);
    expect(stdout).toMatch(/E [\d.-]+ of 2\.3/);
    expect(stdout).toMatch(/holysheep: set to 50% of users, actual share [\d.]+% of \d+ turns in the last [\d a-z]+/);

    expect(await rollout('pause', name, '--actor', 'bob', '--reason', 'lunch')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('‖ Paused at 50%: bob paused it ("lunch").'),
    });
    expect((await rollout('watch', name)).status).toBe(3);
    expect(await rollout('promote', name)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('It is Paused'),
    });
    expect((await rollout('explain', name)).stdout).not.toContain('Nothing was missing');
    expect((await rollout('resume', name, '--actor', 'bob')).status).toBe(0);
    expect((await rollBack(name)).stdout).toContain('✖ RolledBack at 0%');
    expect((await rollout('watch', name)).status).toBe(1);

    const history = await json<{ action: string; actor: string; reason: string }[]>('history', name);
    expect(history.map(({ action, actor }) => [action, actor])).toEqual([
      ['start', 'ann'],
      ['pause', 'bob'],
      ['refuse', userInfo().username],
      ['resume', 'bob'],
      ['roll-back', 'ann'],
    ]);
    expect((await rollout('history', '--rollouts')).stdout).toMatch(new RegExp(`${name} .*✖ RolledBack .*ann`));
    expect(await spawned('verify')).toMatchObject({ status: 0, stdout: expect.stringContaining('are intact') });
  });

  it('answers a command to an ended rollout with how it ended and what to do instead', async () => {
    const name = await start(unhurried);
    await rollBack(name);
    for (const command of ['promote', 'pause', 'resume', 'rollback']) {
      const { status, stderr } = await rollout(command, name);
      expect(status).toBe(1);
      expect(stderr).toMatch(/ended at .* UTC \(RolledBack\): ann rolled back \("the test is over"\)\./);
      expect(stderr).toContain('bellwether rollout start --from legacy --to holysheep');
    }
  });

  it('can be watched to the end, with one line per change, and explains its last decision', async () => {
    const traffic = keepSendingTurns();
    const name = await start(hurried);
    const { status, stdout } = await spawned('watch', name, '--json', '--timeout', '2m');
    await traffic.stop();
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { phase: string; percent: number });
    expect({ status, last: lines.at(-1) }).toMatchObject({ status: 0, last: { phase: 'Promoting', percent: 100 } });
    expect(new Set(stdout.trim().split('\n')).size).toBe(lines.length);

    const { stdout: explained } = await rollout('explain', name);
    expect(explained).toMatch(/E, to advance +[\d.]+ of 2\.30 +yes/);
    const report = await json('report', name);
    expect(Object.keys(report)).toEqual(['legacy', 'canary', 'improvement']);
    expect(report['canary']).toMatchObject({ ready_to_promote: true });
    const { stdout: readable } = await rollout('report', name);
    expect(readable).toContain(
      '✅ Canary metrics look great! Ready to promote to 100% traffic.\n   Latency improvement: ',
    );
    expect(readable).toMatch(/CJK surcharge of legacy: \$0\.0+ of \$/);
  });

  it('excludes a period from the evidence, with a reason', async () => {
    const name = await start(unhurried);
    const from = new Date(Date.now() - 60_000).toISOString();
    const to = new Date().toISOString();
    const exclude = (...words: readonly string[]) => rollout('exclude', name, ...words, '--actor', 'ann');
    expect(await exclude('--from', from, '--to', to)).toMatchObject({
      status: 2,
      stderr: '--reason must say why this period does not count\n',
    });
    expect(await exclude('--from', to, '--to', from, '--reason', 'x')).toMatchObject({
      status: 2,
      stderr: '--to must be after the start of the period\n',
    });
    expect((await exclude('--from', 'noon', '--to', to)).stderr).toContain("'noon' is not a time");
    expect(await exclude('--from', from, '--to', to, '--reason', 'outage')).toMatchObject({ status: 0 });
    const history = await json<{ action: string; reason: string }[]>('history', name);
    expect(history.at(-1)).toMatchObject({
      action: 'exclude',
      reason: expect.stringMatching(
        /^ann excluded from the evidence the 1 min that ended .* after the start \("outage"\)\.$/,
      ),
    });
  });

  it('replays its decisions under another spec', async () => {
    const name = await start(unhurried);
    await rollout('promote', name, '--force', '--reason', 'we know better', '--actor', 'ann');
    await rollBack(name);
    const other = writeSpec('holdbackPercent: 5');
    const replay = await json<{ first_divergence: number; decisions: object[] }>('replay', name, '--spec', other);
    const decided = await json<{ sequence: number; action: string }[]>('history', name, '--all');
    expect(replay.decisions).toHaveLength(decided.length);
    expect(replay.first_divergence).toBe(decided.find(({ action }) => action === 'advance')?.sequence);
    const { stdout } = await rollout('replay', name, '--spec', other);
    expect(stdout).toMatch(/promote: advance, Promoting at 100% +promote: advance, Promoting at 95%/);
    expect(stdout).toContain('What follows it is counterfactual');
    const same = await rollout('replay', name, '--spec', writeSpec('warm: 48h'));
    expect(same).toMatchObject({ status: 0, stdout: expect.stringMatching(/All \d+ decisions come out the same/) });
    const refused = await rollout('replay', name, '--spec', writeSpec('gates: { userWindow: 2h }'));
    expect(refused).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^gates\.userWindow: must stay as recorded/),
    });
  });

  it('gives up watching after the given time', async () => {
    const name = await start(unhurried);
    const { status, stdout, stderr } = await rollout('watch', name, '--timeout', '1s');
    expect({ status, stderr }).toEqual({ status: 4, stderr: 'Not decided within 1 s.\n' });
    expect(stdout).toContain('◌ Progressing at 50%');
  });

  it('shows its status from the ledger while Temporal is down', async () => {
    const name = await start(unhurried);
    const environment = { ...service.environment, TEMPORAL_ADDRESS: '127.0.0.1:1' };
    const { status, stdout } = await workspace.run(['rollout', 'status', name], environment);
    expect(status).toBe(0);
    expect(stdout).toContain('Temporal does not answer');
    expect(stdout).toContain('◌ Progressing');
  });

  it('says that its workflow is gone, and can still be rolled back', async () => {
    const name = await start(unhurried);
    await service.temporal.workflow.getHandle(`rollout/${name}`).terminate('by hand');
    expect((await rollout('status', name)).stdout).toContain('was terminated or has failed');
    expect((await rollout('watch', name)).status).toBe(3);
    expect(await rollout('pause', name)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('No workflow runs'),
    });
    const { status, stdout } = await rollBack(name);
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('straight into the ledger'),
    });
    expect(await service.ledger.rollouts.split()).toMatchObject({ rollout: name, percent: 0, active: false });
    expect((await rollout('verify', name)).status).toBe(0);
  });

  it('can be rolled back while Temporal is down', async () => {
    const name = await start(unhurried);
    const environment = { ...service.environment, TEMPORAL_ADDRESS: '127.0.0.1:1' };
    expect((await workspace.run(['rollout', 'pause', name], environment)).status).not.toBe(0);
    const { status, stdout } = await workspace.run(['rollout', 'rollback', name, '--actor', 'ann'], environment);
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/straight into the ledger.*\n.*✖ RolledBack at 0%: ann rolled back\./),
    });
    expect(await service.ledger.rollouts.split()).toMatchObject({ rollout: name, percent: 0, active: false });
    // The workflow finds it when it next records something.
    await eventually('the workflow ends', async () => {
      const { status: execution } = await service.temporal.workflow.getHandle(`rollout/${name}`).describe();
      return execution.name === 'FAILED';
    });
    expect((await rollout('verify', name)).status).toBe(0);
    expect((await rollout('rollback', name)).stderr).toContain('(RolledBack): ann rolled back.');
  });

  it('lets an operator force a step, with a reason', async () => {
    const name = await start(unhurried);
    const unreasoned = await rollout('promote', name, '--force');
    expect(unreasoned).toMatchObject({ status: 2, stderr: '--reason must say why you force it\n' });
    expect((await rollout('promote', name, '--full')).stderr).toContain('Refused: The evidence is not there');
    const forced = await rollout('promote', name, '--full', '--force', '--reason', 'the old one is gone');
    expect(forced).toMatchObject({ status: 0, stdout: expect.stringContaining('◉ Promoting at 100%') });
    await eventually('the split is set', async () => (await service.ledger.rollouts.split())?.percent === 100);
    expect((await rollout('watch', name)).status).toBe(0);
  });

  it('sends everybody back in one command, from a rollout that has all traffic, too', async () => {
    const name = await start(unhurried);
    await rollout('promote', name, '--full', '--force', '--reason', 'the old one is gone');
    expect(await rollout('back', '--actor', 'ann', '--reason', 'complaints')).toMatchObject({
      status: 0,
      stdout: `✖ All users are now on legacy (rollout ${name}): ann rolled back ("complaints").\n`,
    });
    expect(await json('back')).toMatchObject({ rollout: name, arm: 'legacy', changed: false });
    expect(await service.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
  });

  it('says if users who are sent back go to another arm, because their own is not configured any more', async () => {
    const name = await start(unhurried);
    const configuration = join(workspace.directory, `${unique('without-legacy')}.yaml`);
    writeFileSync(configuration, 'defaultArm: holysheep\n');
    const { LEGACY_BASE_URL: _url, LEGACY_API_KEY: _key, ...others } = service.environment;
    const without = { ...others, BELLWETHER_CONFIG: configuration };
    const problem = 'No arm named legacy is configured here, so its users go to the default arm, holysheep.';
    const rolledBack = await workspace.run(['rollout', 'rollback', name, '--actor', 'ann'], without);
    expect(rolledBack).toMatchObject({ status: 1, stderr: expect.stringContaining(problem) as string });
    const back = await workspace.run(['rollout', 'back', '--actor', 'ann'], without);
    expect(back).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining(problem) as string });
    const told = expect.stringContaining(problem) as string;
    const asJson = await workspace.run(['rollout', 'back', '--actor', 'ann', '--json'], without);
    expect(asJson.status).toBe(1);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ rollout: name, changed: false, problem: told });
    const second = await start(unhurried);
    const rolledBackAsJson = await workspace.run(['rollout', 'rollback', second, '--actor', 'ann', '--json'], without);
    expect(rolledBackAsJson).toMatchObject({ status: 1, stderr: '' });
    expect(JSON.parse(rolledBackAsJson.stdout)).toMatchObject({ rollout: second, accepted: true, problem: told });
  });

  it('names users who are pinned to another arm, and so are not sent back', async () => {
    await start(unhurried);
    const configuration = join(workspace.directory, `${unique('pinned')}.yaml`);
    writeFileSync(configuration, 'defaultArm: legacy\npinnedUsers: { ann: holysheep, bob: legacy }\n');
    const environment = { ...service.environment, BELLWETHER_CONFIG: configuration };
    const { status, stdout } = await workspace.run(['rollout', 'back', '--actor', 'ann'], environment);
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('✖ All users but 1 pinned to another arm are now on legacy') as string,
    });
  });

  it('goes on with a new workflow after its own was terminated', async () => {
    const name = await start(unhurried);
    expect(await rollout('adopt', name)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('there is nothing to adopt'),
    });
    await service.temporal.workflow.getHandle(`rollout/${name}`).terminate('by hand');
    const { status, stdout } = await rollout('adopt', name, '--actor', 'ann');
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('‖ Paused at 50%: ann paused it'),
    });
    expect(stdout).toContain(`bellwether rollout resume ${name}`);
    expect(await json('status', name)).toMatchObject({ phase: 'Paused', workflow: 'running', warnings: [] });
  });

  it('does not start within a freeze window', async () => {
    const day = (from: number): string => new Date(Date.now() + from * 86_400_000).toISOString();
    const file = writeSpec(`${unhurried}freezeWindows: [{ from: "${day(-1)}", to: "${day(1)}" }]\n`);
    const { status, stderr } = await rollout('start', '--name', unique('frozen'), '--spec', file);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^freezeWindows: keep every step from beginning for (24 h|23 h 59 min) more/m),
    });
  });

  it('refuses a second rollout at the same time and says what to do', async () => {
    const name = await start(unhurried);
    const { status, stderr } = await rollout('start', '--name', unique('second'));
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`^--take-over: rollout "${name}" is still active.*or use --take-over`));
  });

  it('is named after its arms and the day, and never gets the same name twice', async () => {
    const today = (): string => new Date().toISOString().slice(0, 10);
    const days = [today()];
    const names: string[] = [];
    for (let time = 0; time < 2; time += 1) {
      const { rollout: name, forecast } = await json<{ rollout: string; forecast: object }>(
        'start',
        '--compress',
        '10',
      );
      expect(forecast).toMatchObject({ canary_users_needed_median: 2237, canary_users_needed_99_percent: 5018 });
      names.push(name);
      await rollBack(name);
    }
    // Should midnight pass meanwhile.
    days.push(today());
    for (const name of names) expect(name).toMatch(new RegExp(`^legacy-to-holysheep-(${days.join('|')})`));
    expect(names[1]).not.toBe(names[0]);
  });

  it.each([
    [
      'steps: [{ percent: 101, nominalEnd: 1h, minimumBake: 1h }]',
      'steps[0].percent must be a whole number from 1 to 99',
    ],
    ['steps: [{ percent: 10, nominalEnd: 1h, minimumBake: 2h }]', 'steps[0].minimumBake must be at most 1 h, '],
    [
      'steps: [{ percent: 10, nominalEnd: soon, minimumBake: 2h }]',
      'steps[0].nominalEnd: must be a duration with a unit',
    ],
    ['gates: { alpha: "0%" }', 'gates.alpha must be a number between 0 and 1, not 0'],
    ['gates: { alfa: 0.1 }', 'gates.alfa: is not a setting'],
    ['interval: 1ms', 'interval must be a duration from 100 ms to 8784 h, not 1 ms'],
    ['canaryArm: legacy', 'canaryArm must be a different arm from --from (legacy)'],
    ['freezeWindows: [{ from: tomorrow, to: 2026-12-01T00:00:00Z }]', 'freezeWindows[0].from: must be an ISO time'],
    ['[', 'yaml: '],
  ])('refuses a spec with %s', async (spec, message) => {
    const { status, stderr, stdout } = await rollout('start', '--spec', writeSpec(spec));
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('ends with status 2 for an unknown option', async () => {
    expect(await rollout('status', '--foo')).toMatchObject({ status: 2, stderr: expect.stringContaining('--foo') });
  });

  it('names an arm that no worker knows', async () => {
    const { status, stderr } = await rollout('start', '--to', 'nowhere');
    expect(status).toBe(1);
    expect(stderr).toContain('no arm named "nowhere"');
  });

  it('says so if there is no rollout, or none of that name', async () => {
    expect(await rollout('status', 'nobody')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no rollout named nobody'),
    });
    const empty = await workspace.run(['rollout', 'status']);
    expect(empty).toMatchObject({ status: 1, stderr: expect.stringContaining('There is no ledger yet in') });
  });
});
