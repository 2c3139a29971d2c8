import type { Settings } from '../../config/settings';
import { errorMessage } from '../../contract/failures';
import type { NotifyAddress, NotifyTarget } from '../../contract/notifications';
import { reachProblem } from '../../notify/reach';
import type { Check, CheckOutcome } from './check';

/** One check for each target under `notify`: tells nobody anything. */
export function notifyChecks({ notify }: Settings): readonly Check[] {
  return notify.map((target) => ({
    name: `Notify ${target.name}`,
    advice: `bellwether notify test ${target.name}`,
    run: () => checkTarget(target),
  }));
}

async function checkTarget({ name, readAddress }: NotifyTarget): Promise<CheckOutcome> {
  let address: NotifyAddress;
  try {
    address = readAddress();
  } catch (error) {
    return {
      status: 'failed',
      detail: errorMessage(error),
      advice: 'Set it for every worker: none starts without it.',
    };
  }
  // The rest of an address may be a secret.
  const { host } = new URL(address.url);
  const problem = await reachProblem(address.url);
  if (problem === null) {
    const advice = `\`bellwether notify test ${name}\` sends a test.`;
    return { status: 'ok', detail: `${host} accepts connections`, advice };
  }
  return {
    status: 'failed',
    detail: `${host}: ${problem}`,
    advice: 'Is it up, and reachable from here (firewall, DNS)? What it misses is tried again for a day.',
  };
}
