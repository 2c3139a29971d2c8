import { useEffect, useState } from 'preact/hooks';
import { type PageData, pagePaths } from '../contract/page';
import { observeServerTime } from './clock';
import { Distance, PhaseChip, Time } from './elements';
import { formatClock, formatDay, formatPercent } from './format';
import { ArmsPanel } from './panels/arms';
import { AuditPanel } from './panels/audit';
import { EvidencePanel } from './panels/evidence';
import { MoneyPanel } from './panels/money';
import { ProvidersPanel } from './panels/providers';
import { RolloutsPanel } from './panels/rollouts';
import { SessionPanel, SessionSearch } from './panels/session';
import { useRoute, withQuery } from './route';

/** The operator's page. */
export function App() {
  const { rollout: asked, session } = useRoute();
  const [data, setData] = useState<PageData | null>(null);
  useEffect(() => {
    const events = new EventSource(withQuery(pagePaths.events, { rollout: asked }));
    events.addEventListener('data', ({ data: text }: MessageEvent<string>) => {
      const read = JSON.parse(text) as PageData;
      observeServerTime(read.atMs);
      setData(read);
    });
    return () => events.close();
  }, [asked]);
  if (data === null) return <main />;
  const { rollout } = data;
  return (
    <main>
      {rollout !== null && (
        <p>
          <PhaseChip phase={rollout.now.phase} /> {formatPercent(rollout.now.setPercent)} {rollout.now.message}{' '}
          <Time atMs={data.atMs} /> <Distance atMs={data.atMs} /> {formatDay(data.atMs)} {formatClock(data.atMs)}
        </p>
      )}
      {rollout?.evidence && <EvidencePanel evidence={rollout.evidence} />}
      {rollout && <ArmsPanel arms={rollout.arms} />}
      <MoneyPanel money={data.money} />
      <ProvidersPanel targets={data.targets} />
      <RolloutsPanel rollouts={data.rollouts} current={rollout?.name ?? null} />
      {session === null ? <SessionSearch /> : <SessionPanel session={{ id: session, turns: [], costNanoUsd: 0 }} />}
      {rollout && <AuditPanel audit={rollout.audit} />}
    </main>
  );
}
