import { type PageData, pagePaths } from '../contract/page';
import { Act } from './act';
import { Chip, phases } from './elements';
import { formatPercent, formatWholeDuration } from './format';
import { useFreshness } from './freshness';
import { Ladder } from './ladder';
import { Now, Warnings } from './now';
import { ArmsPanel } from './panels/arms';
import { AuditPanel } from './panels/audit';
import { EvidencePanel } from './panels/evidence';
import { MoneyPanel } from './panels/money';
import { ProvidersPanel } from './panels/providers';
import { RolloutsPanel } from './panels/rollouts';
import { SessionSearch } from './panels/session';
import { logOut } from './server';
import { Session } from './session';

interface Props {
  readonly data: PageData;
  readonly asOfMs: number;
  /** Why there is no newer data. */
  readonly problem: string | null;
  readonly session: string | null;
  readonly onLoggedOut: () => void;
}

/** Everything, from top to bottom in the order in which it is needed. */
export function Dashboard(props: Props) {
  const { data, session, onLoggedOut } = props;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header {...props} />
      <main id="main" tabIndex={-1}>
        {session === null ? <Overview {...props} /> : <Session id={session} onLoggedOut={onLoggedOut} />}
      </main>
      <footer class="soft small">
        Bellwether {data.service.version}
        {data.service.temporalUiUrl !== null && (
          <>
            {' · '}
            <a href={data.service.temporalUiUrl} target="_blank" rel="noreferrer">
              Temporal UI
            </a>
          </>
        )}
      </footer>
    </>
  );
}

function Header({ data, asOfMs, problem, onLoggedOut }: Props) {
  const { rollout, viewer, service } = data;
  const leave = (): void => {
    void logOut().then(onLoggedOut, onLoggedOut);
  };
  return (
    <header class="top">
      <h1>
        <a href={pagePaths.page} class="brand">
          Bellwether
        </a>
        {rollout !== null && (
          <span class="top-rollout">
            {rollout.name}{' '}
            <span class="soft">
              {rollout.from} → {rollout.to}
            </span>
          </span>
        )}
      </h1>
      <div class="top-end small">
        {service.isSimulated && (
          <Chip tone="quiet" icon="◇">
            simulated models
          </Chip>
        )}
        <Connection asOfMs={asOfMs} problem={problem} />
        <span>
          {viewer.name} <span class="soft">({viewer.mayOperate ? 'operator' : 'viewer'})</span>
        </span>
        <button type="button" class="plain" onClick={leave}>
          Log out
        </button>
      </div>
    </header>
  );
}

/** Whether what is shown is how it is. */
function Connection({ asOfMs, problem }: Pick<Props, 'asOfMs' | 'problem'>) {
  const { ageMs, isStale } = useFreshness(asOfMs);
  const isBehind = isStale || problem !== null;
  return (
    <span class="connection">
      <span role="status">
        <Chip tone={isBehind ? 'bad' : 'good'} icon={isBehind ? '▲' : '●'}>
          {isBehind ? 'Not up to date' : 'Live'}
        </Chip>
      </span>
      {isBehind && (
        <span>
          last update {formatWholeDuration(ageMs)} ago{problem === null ? '' : `. ${problem}`}
        </span>
      )}
    </span>
  );
}

function Overview({ data, asOfMs, onLoggedOut }: Props) {
  const { rollout, viewer, money, targets, rollouts } = data;
  return (
    <>
      {rollout === null ? (
        <FirstRollout />
      ) : (
        <>
          <p role="status" class="hidden">
            {phases[rollout.now.phase].word} at {formatPercent(rollout.now.setPercent)}
          </p>
          <Warnings warnings={rollout.now.warnings} />
          <Now rollout={rollout} atMs={data.atMs}>
            <Act rollout={rollout} viewer={viewer} asOfMs={asOfMs} onLoggedOut={onLoggedOut} />
          </Now>
        </>
      )}
      <div class="columns">
        {rollout !== null && (
          <div class="column">
            <Ladder ladder={rollout.ladder} nowMs={asOfMs} />
            {rollout.evidence !== null && <EvidencePanel evidence={rollout.evidence} />}
            <ArmsPanel arms={rollout.arms} />
          </div>
        )}
        <div class="column">
          <MoneyPanel money={money} />
          <ProvidersPanel targets={targets} />
          <RolloutsPanel rollouts={rollouts} current={rollout?.name ?? null} />
          <SessionSearch />
        </div>
      </div>
      {rollout !== null && <AuditPanel audit={rollout.audit} />}
    </>
  );
}

function FirstRollout() {
  return (
    <section class="card" aria-labelledby="first-title">
      <h2 id="first-title">No rollout yet</h2>
      <p>
        All users are on the default arm of the configuration. <code>bellwether rollout start</code> begins to move them
        to another one, and this page follows it.
      </p>
    </section>
  );
}
