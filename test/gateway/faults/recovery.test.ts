/** A provider that is down for a minute, in a twentieth of the time: three seconds, two probes each second, back with the first. */
import type { AttemptRow } from '../../../src/contract/ledger';
import { faults, type Fault } from '../../../src/local/simulator/behaviour';
import { eventually } from '../../support/eventually';
import { primaryModel } from '../../support/service';
import { manners } from './ask';
import { impatientUser, startFaultsSetting, type FaultsSetting } from './setting';

const breaker = { failures: 8, halfOpenAfterMs: 500 } as const;
const downMs = 3_000;
const callerCount = 4;

let setting: FaultsSetting;
beforeEach(async () => {
  setting = await startFaultsSetting({ breaker });
});
afterEach(() => setting.stop());

const ways: readonly [string, () => Promise<void>, () => Promise<void>][] = [
  ['refuses connections', () => setting.primary.goDown(), () => setting.primary.comeUp()],
  ...waysOfFailing([
    ['answers 503', faults.serverError(503)],
    ['is silent', { kind: 'silence' }],
  ]),
];

function waysOfFailing(kinds: readonly (readonly [string, Fault])[]) {
  return kinds.map(([title, alwaysFault]): [string, () => Promise<void>, () => Promise<void>] => [
    title,
    () => setting.primary.setBehaviour(primaryModel, { alwaysFault }),
    () => setting.primary.setBehaviour(primaryModel, { alwaysFault: null }),
  ]);
}

test.each(ways)(
  'a provider that %s is asked little while it is down, and soon again when it is back',
  async (title, goDown, comeUp) => {
    expect(await setting.ask('streamed')).toMatchObject({ answeredBy: 'primary' });
    await goDown();
    const upAtMs = Date.now() + downMs;
    let requests = 0;
    const caller = async (index: number): Promise<void> => {
      for (let turn = index; Date.now() < upAtMs; turn += 1) {
        requests += 1;
        const asked = await setting.ask(manners[turn % 2] ?? 'plain', {
          user: impatientUser('firstByteMs', 'primary'),
        });
        expect(asked).toMatchObject({ status: 200, answeredBy: 'fallback' });
      }
    };
    await Promise.all(Array.from({ length: callerCount }, (_, index) => caller(index)));
    // A probe that has hold of it is over before it is well again.
    await eventually('no call is open', async () => (await setting.primary.openCalls()) === 0);
    // A reservation for a call that was then not made is no attempt.
    const isAttempt = ({ target, outcome }: AttemptRow) => target === 'primary' && outcome !== 'circuit-open';
    const countAttempts = async () => (await setting.service.ledger.attempts()).filter(isAttempt).length;
    const attemptsBefore = await countAttempts();
    const attempts = attemptsBefore - 1; // one was answered before
    const elapsedMs = Date.now() - (upAtMs - downMs);

    await comeUp();
    const backFromMs = Date.now();
    await eventually('it is asked again', async () => (await setting.ask('streamed')).answeredBy === 'primary');
    const backAfterMs = Date.now() - backFromMs;
    process.stdout.write(
      `Down (${title}) for ${(elapsedMs / 1000).toFixed(1)} s: ${requests} requests answered by the fallback, ` +
        `${attempts} attempts at the primary; back after ${backAfterMs} ms\n`,
    );
    // Those that opened the circuit, those under way at that moment, and one probe for each half-open time.
    expect(attempts).toBeLessThanOrEqual(breaker.failures + callerCount + elapsedMs / breaker.halfOpenAfterMs + 1);
    // However fast the machine: the first call that tries it brings it back.
    expect((await countAttempts()) - attemptsBefore).toBe(1);
    await setting.expectHealthy();
  },
);
