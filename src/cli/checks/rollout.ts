import { checkLedgerDirectory } from '../../config/data-directory';
import type { Settings } from '../../config/settings';
import { LedgerNotMigratedError, openLedger } from '../../ledger/open-ledger';
import { operatorOn } from '../../operator/rollout-operator';
import { phaseShown } from '../../operator/view';
import { warningsOf } from '../../operator/warnings';
import type { Check, CheckOutcome } from './check';
import { giveUpAfterMs } from './stores';

/** Whether the rollout that routes turns is looked after, and routes them as its audit trail says. */
export function rolloutCheck(settings: Settings): Check {
  return {
    name: 'Rollout',
    advice: 'See the Ledger check.',
    async run() {
      checkLedgerDirectory(settings);
      const { databaseUrl, dataDirectory } = settings;
      const opening = openLedger({ databaseUrl, dataDirectory, giveUpAfterMs }, { migrate: false });
      const ledger = await opening.catch((error: unknown) => {
        if (error instanceof LedgerNotMigratedError) return null;
        throw error;
      });
      if (ledger === null) return { status: 'skipped', detail: 'there is no ledger that can be read' };
      const operator = operatorOn(ledger, settings);
      try {
        const split = await operator.rollouts.split();
        if (split === null) return { status: 'skipped', detail: 'there has been none yet' };
        return outcomeOf(await operator.view(split.rollout));
      } finally {
        await operator.close();
      }
    },
  };
}

function outcomeOf(view: Parameters<typeof warningsOf>[0]): CheckOutcome {
  const { spec, state } = view;
  const detail = `${spec.name}: ${phaseShown(view)}, ${state.percent}% on ${spec.canaryArm}`;
  const [first] = warningsOf(view);
  if (first === undefined) return { status: 'ok', detail };
  return {
    status: 'failed',
    detail: `${detail}. ${first.message}`,
    advice: `bellwether rollout status ${spec.name} shows all of it.`,
  };
}
