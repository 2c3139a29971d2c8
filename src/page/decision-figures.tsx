import type { ArmPage, MeasurePage, RolloutPage } from '../contract/page';
import { Chip, Missing, PhaseChip, Time } from './elements';
import { formatCount, formatEvidence, formatInterval, formatPercent, formatShare, formatUsd } from './format';

/** The figures that a command is decided on, as the page showed them. */
export function DecisionFigures({ rollout, asOfMs }: { readonly rollout: RolloutPage; readonly asOfMs: number }) {
  const { now, evidence, arms } = rollout;
  const measures = evidence?.measures.filter(({ id, isReached }) => id === 'advance' || isReached) ?? [];
  return (
    <dl class="figures small">
      <dt>Now</dt>
      <dd>
        <PhaseChip phase={now.phase} /> {formatPercent(now.setPercent)} set,{' '}
        {now.actualShare === null ? 'no recent turns' : `${formatShare(now.actualShare)} actual`}
      </dd>
      {measures.map((measure) => (
        <Measure key={measure.id} measure={measure} />
      ))}
      {evidence !== null && evidence.toGo > 0 && (
        <>
          <dt>To go</dt>
          <dd>
            about {formatCount(evidence.toGo)} {evidence.unit} without a failure
          </dd>
        </>
      )}
      <Success arm={arms.canary} />
      <Success arm={arms.baseline} />
      <dt>As of</dt>
      <dd>
        <Time atMs={asOfMs} />
      </dd>
    </dl>
  );
}

function Measure({ measure }: { readonly measure: MeasurePage }) {
  const { label, value, needed, unit, isReached, isWanted } = measure;
  const format = unit === 'nano-usd' ? formatUsd : formatEvidence;
  return (
    <>
      <dt>{label}</dt>
      <dd>
        {value === null ? <Missing /> : format(value)}
        {needed !== null && ` of ${format(needed)} `}
        {isReached ? (
          <Chip tone={isWanted ? 'good' : 'bad'} icon={isWanted ? '✔' : '▲'}>
            reached
          </Chip>
        ) : (
          'not reached'
        )}
      </dd>
    </>
  );
}

function Success({ arm }: { readonly arm: ArmPage }) {
  const { name, success } = arm;
  return (
    <>
      <dt>Success of {name}</dt>
      <dd>
        {success === null ? (
          <Missing />
        ) : (
          `${formatShare(success.rate)} (${formatInterval(success)}) of ${formatCount(success.of)}`
        )}
      </dd>
    </>
  );
}
