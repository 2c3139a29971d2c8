import pino from 'pino';
import {
  type CommandRequest,
  type CommandResponse,
  type PageData,
  pagePaths,
  type PageProblem,
} from '../../src/contract/page';
import { type ServedGateway, serveGateway } from '../../src/services/gateway';
import { servePage } from '../../src/services/page';
import { createTestKey } from '../gateway/gateway-service';
import { eventually } from '../support/eventually';
import { eachTestWithRollouts } from '../support/rollout-hooks';
import { unhurriedRolloutSpec } from '../support/rollout-spec';
import { EventReader, logIn, post } from './page-service';

const rollouts = eachTestWithRollouts();
const logger = pino({ level: 'silent' });

let gateway: ServedGateway;
let operator: string;
beforeEach(async () => {
  gateway = await serveGateway({ settings: rollouts.service.settings, host: '127.0.0.1', port: 0, logger });
  operator = await cookieFor('operator', 'ann');
});
afterEach(() => gateway.close());

async function cookieFor(role: 'operator' | 'viewer', name: string, url = gateway.url): Promise<string> {
  return logIn(url, await createTestKey(rollouts.service, { role, name }));
}

async function command(request: CommandRequest, cookie = operator, url = gateway.url) {
  const answer = await post(url, pagePaths.command, request, { cookie });
  return { status: answer.status, ...((await answer.json()) as CommandResponse & PageProblem) };
}

async function pageOf(rollout: string, cookie = operator, url = gateway.url): Promise<PageData> {
  return (await (
    await fetch(`${url}${pagePaths.data}?rollout=${rollout}`, { headers: { cookie } })
  ).json()) as PageData;
}

describe('an operator', () => {
  it('pauses, resumes and rolls back, and each is recorded with the name of the key and the reason', async () => {
    const spec = unhurriedRolloutSpec();
    await rollouts.begin(spec);
    const { name: rollout } = spec;
    const reason = 'complaints from zh';
    for (const each of ['pause', 'resume', 'rollback'] as const) {
      expect(await command({ rollout, command: each, reason })).toMatchObject({ status: 200, accepted: true });
    }
    expect(await rollouts.eventsOf(spec)).toEqual([
      'start by test',
      'pause by ann',
      'resume by ann',
      'roll-back by ann',
    ]);
    const { rollout: shown } = await pageOf(rollout);
    const mine = shown?.audit.rows.filter(({ actor }) => actor === 'ann') ?? [];
    expect(mine.map((row) => row.reason.includes(reason))).toEqual([true, true, true]);
    expect(shown?.now).toMatchObject({ phase: 'RolledBack', setPercent: 0 });
    expect(await rollouts.service.auditProblem()).toBeNull();
    expect(await command({ rollout, command: 'pause', reason })).toMatchObject({
      accepted: false,
      message: expect.stringMatching(/ended at .*RolledBack/) as string,
    });
  });

  it('promotes only what the page showed, and nothing that it did not say', async () => {
    const spec = unhurriedRolloutSpec();
    await rollouts.begin(spec);
    const promote = { rollout: spec.name, command: 'promote', reason: 'agreed with bob', force: true } as const;
    for (const [stale, message] of [
      [{ ...promote, typedName: spec.name }, /seenPercent is missing/],
      [{ ...promote, seenPercent: 10, typedName: spec.name }, /10%/],
      [{ ...promote, seenPercent: 50 }, /name of the rollout must be typed/],
      [{ ...promote, seenPercent: 50, typedName: `${spec.name} ` }, /name of the rollout must be typed/],
      [{ ...promote, force: false, full: true, seenPercent: 50 }, /skips the remaining steps/],
    ] as const) {
      const answer = await command(stale);
      expect(answer).toMatchObject({ status: 200, accepted: false });
      expect(answer.message).toMatch(message);
    }
    expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 50 });
    const allowed = { ...promote, seenPercent: 50, typedName: spec.name };
    expect(await command(allowed)).toMatchObject({ accepted: true });
    // Whoever clicks twice has seen 50% twice.
    expect(await command(allowed)).toMatchObject({ accepted: false });
    expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 100 });
  });

  it('is told which field is wrong', async () => {
    const right = { rollout: 'r', command: 'pause', reason: 'x' } as const;
    for (const [wrong, field] of [
      [{ ...right, reason: ' ' }, 'reason'],
      [{ ...right, reason: 'x'.repeat(501) }, 'reason'],
      [{ ...right, command: 'delete' }, 'command'],
      [{ ...right, rollout: '' }, 'rollout'],
      [{ ...right, seenPercent: 0.5 }, 'seenPercent'],
      [{ ...right, actor: 'bob' }, 'actor'],
    ] as const) {
      const answer = await command(wrong as CommandRequest);
      expect(answer).toMatchObject({ status: 400, code: 'invalid_value' });
      expect(answer.message).toContain(field);
    }
    expect(await command({ ...right, command: 'exclude' })).toMatchObject({
      accepted: false,
      message: expect.stringContaining('fromMs') as string,
    });
    expect(await command(right)).toMatchObject({
      accepted: false,
      message: expect.stringContaining('no rollout named r') as string,
    });
  });

  it('rolls back without a workflow, and is told so', async () => {
    const spec = unhurriedRolloutSpec();
    const workflow = await rollouts.begin(spec);
    await workflow.terminate('by hand');
    const request = { rollout: spec.name, reason: 'complaints' } as const;
    expect(await command({ ...request, command: 'resume' })).toMatchObject({
      accepted: false,
      message: expect.stringContaining('No workflow runs') as string,
    });
    expect(await command({ ...request, command: 'rollback' })).toMatchObject({
      accepted: true,
      message: expect.stringContaining('straight into the ledger') as string,
    });
    expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
  });
});

test('a viewer sees everything and can do nothing', async () => {
  const spec = unhurriedRolloutSpec();
  await rollouts.begin(spec);
  const viewer = await cookieFor('viewer', 'bob');
  expect(await pageOf(spec.name, viewer)).toMatchObject({
    viewer: { name: 'bob', mayOperate: false },
    rollout: { name: spec.name, now: { setPercent: 50 } },
  });
  for (const each of ['promote', 'pause', 'resume', 'rollback', 'exclude'] as const) {
    const answer = await command({ rollout: spec.name, command: each, reason: 'x', seenPercent: 50 }, viewer);
    expect(answer).toMatchObject({ status: 403, code: 'wrong_key_role' });
  }
  expect(await rollouts.eventsOf(spec)).toEqual(['start by test']);
});

test('what an operator does is on every open page, with the place in the audit trail', async () => {
  const spec = unhurriedRolloutSpec();
  await rollouts.begin(spec);
  const reader = await EventReader.open(gateway.url, await cookieFor('viewer', 'bob'));
  await eventually('the page', () => reader.of('data').length > 0);
  await command({ rollout: spec.name, command: 'rollback', reason: 'complaints' });
  await eventually('the rollback', () => (reader.of('data').at(-1) as PageData).rollout?.now.phase === 'RolledBack');
  const last = reader.events.filter(({ event }) => event === 'data').at(-1);
  const shown = last?.data as PageData | undefined;
  expect(last?.id).toBe(String(shown?.rollout?.audit.head.position));
  reader.close();
});

test('without Temporal the page shows what the ledger says, and rolls back', async () => {
  const spec = unhurriedRolloutSpec();
  await rollouts.begin(spec);
  const { settings } = rollouts.service;
  const address = '127.0.0.1:1';
  const temporal = { ...settings.temporal, address, connectionOptions: { address } };
  const page = await servePage({ settings: { ...settings, temporal }, host: '127.0.0.1', port: 0, logger });
  try {
    const cookie = await cookieFor('operator', 'ann', page.url);
    expect((await pageOf(spec.name, cookie, page.url)).rollout?.now.workflow).toBe('unreachable');
    const request = { rollout: spec.name, reason: 'Temporal is down' } as const;
    expect(await command({ ...request, command: 'pause' }, cookie, page.url)).toMatchObject({
      accepted: false,
      message: expect.stringContaining('Temporal does not answer') as string,
    });
    expect(await command({ ...request, command: 'rollback' }, cookie, page.url)).toMatchObject({ accepted: true });
    expect(await rollouts.service.ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
  } finally {
    await page.close();
  }
});

test('the login link of a page on a ledger of its own logs in as an operator named local', async () => {
  const { settings } = rollouts.service;
  const page = await servePage({ settings, host: '127.0.0.1', port: 0, logger });
  try {
    const code = new URL(page.loginLink ?? '').hash.slice(1);
    const answer = await post(page.url, pagePaths.login, { code });
    expect(answer.status).toBe(204);
  } finally {
    await page.close();
  }
});

test('open pages do not hold up a gateway that stops', async () => {
  const reader = await EventReader.open(gateway.url, operator);
  await eventually('the page', () => reader.of('data').length > 0);
  const closed = gateway.close();
  await eventually('it ends', () => reader.isEnded);
  // Draining would have waited for it, and then broken it off.
  expect(reader.of('problem')).toMatchObject([{ code: 'gateway_stopping' }]);
  await closed;
});
