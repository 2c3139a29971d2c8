import type { ComponentChildren } from 'preact';
import type { RolloutNow, RolloutPage } from '../contract/page';
import { useNow } from './clock';
import { Chip, Distance, Missing, PhaseChip, Sentence, type Tone } from './elements';
import { formatDistance, formatPercent, formatShare, formatWholeDuration } from './format';

/** What must be known first: how it stands, what comes next and when, and whether anything is wrong. */
export function Now(props: {
  readonly rollout: RolloutPage;
  readonly atMs: number;
  /** The buttons. */
  readonly children: ComponentChildren;
}) {
  const { rollout, atMs, children } = props;
  const { now, to } = rollout;
  return (
    <section class="card now" id="now" aria-labelledby="now-title">
      <div class="now-state">
        <h2 id="now-title" class="now-phase">
          <PhaseChip phase={now.phase} />
          <span class="now-percent">{formatPercent(now.setPercent)}</span>
          <span class="now-of">
            of users on <b>{to}</b>
          </span>
        </h2>
        <SplitBar now={now} to={to} />
        <p class="now-message">
          <Sentence text={now.message} />
        </p>
        {now.next !== '' && (
          <p class="now-next">
            <span class="soft">Next: </span>
            <Sentence text={now.next} />
          </p>
        )}
      </div>
      <Facts now={now} atMs={atMs} />
      {children}
    </section>
  );
}

/** The split as it is set, and as the recent turns were really routed. */
function SplitBar({ now, to }: { readonly now: RolloutNow; readonly to: string }) {
  const { setPercent, actualShare } = now;
  const actual = actualShare === null ? 'no recent turns' : `${formatShare(actualShare)} of recent turns`;
  return (
    <figure class="split">
      <svg
        class="split-bar"
        width="100%"
        height="16"
        role="img"
        aria-label={`${to}: ${formatPercent(setPercent)} of users is set, ${actual}`}
      >
        <rect class="split-ground" width="100%" height="8" y="4" rx="4" />
        <rect class="split-actual" width={`${(actualShare ?? 0) * 100}%`} height="8" y="4" rx="4" />
        <line class="split-set" x1={`${setPercent}%`} x2={`${setPercent}%`} y1="0" y2="16" />
      </svg>
      <figcaption class="soft small">
        Set <b>{formatPercent(setPercent)}</b> of users · actual <b>{actual}</b>
      </figcaption>
    </figure>
  );
}

function Facts({ now, atMs }: { readonly now: RolloutNow; readonly atMs: number }) {
  return (
    <dl class="facts">
      <Fact label="Next analysis">
        {now.nextAnalysisAtMs === null ? 'none: it has ended' : <NextAnalysis now={now} atMs={now.nextAnalysisAtMs} />}
      </Fact>
      <Fact label="Newest canary request">
        {now.dataAgeMs === null ? <Missing /> : <Distance atMs={atMs - now.dataAgeMs} />}
      </Fact>
      <Fact label="Workflow">
        <WorkflowChip workflow={now.workflow} />
      </Fact>
    </dl>
  );
}

function Fact({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function NextAnalysis({ now, atMs }: { readonly now: RolloutNow; readonly atMs: number }) {
  const nowMs = useNow();
  if (now.isOverdue) {
    return (
      <Chip tone="bad" icon="▲">
        overdue by {formatWholeDuration(nowMs - atMs)}
      </Chip>
    );
  }
  return <>{nowMs >= atMs ? 'due now' : formatDistance(atMs, nowMs)}</>;
}

const workflows: Readonly<
  Record<RolloutNow['workflow'], { readonly tone: Tone; readonly icon: string; readonly word: string }>
> = {
  running: { tone: 'good', icon: '✔', word: 'running' },
  completed: { tone: 'quiet', icon: '✔', word: 'completed' },
  failed: { tone: 'bad', icon: '✖', word: 'failed' },
  unknown: { tone: 'warn', icon: '?', word: 'not known' },
  unreachable: { tone: 'bad', icon: '✖', word: 'Temporal unreachable' },
};

function WorkflowChip({ workflow }: Pick<RolloutNow, 'workflow'>) {
  const { tone, icon, word } = workflows[workflow];
  return (
    <Chip tone={tone} icon={icon}>
      {word}
    </Chip>
  );
}

export function Warnings({ warnings }: Pick<RolloutNow, 'warnings'>) {
  return (
    <div role="alert" class="warnings">
      {warnings.map(({ code, message }) => (
        <p class="warning" key={code + message}>
          <Chip tone="warn" icon="▲">
            Warning
          </Chip>
          <span>
            <Sentence text={message} />
          </span>
        </p>
      ))}
    </div>
  );
}
