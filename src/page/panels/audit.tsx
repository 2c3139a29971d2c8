import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { AuditPage, AuditRowPage } from '../../contract/page';
import { Card, Chip, Distance, Missing, Time } from '../elements';
import { formatCount } from '../format';
import { Text } from './text';

const shortHash = 12;

/** Every decision and command with who, why and on what. */
export function AuditPanel({ audit }: { readonly audit: AuditPage }) {
  const [filter, setFilter] = useState('');
  const [areWaitsHidden, hideWaits] = useState(false);
  const { rows } = audit;
  const newest = rows[0]?.position;
  // Rows never change, they only get new ones before them: with the same newest row, nothing needs to be compared.
  const shown = useMemo(
    () => rows.filter((row) => holds(row, filter) && !(areWaitsHidden && row.action === 'wait')),
    [newest, filter, areWaitsHidden],
  );
  const list = useMemo(() => shown.map((row) => <AuditRow key={row.position} row={row} />), [shown]);
  return (
    <Card id="audit" title="Audit trail">
      {rows.length === 0 ? (
        <p class="empty">Decisions and commands appear here, from the start of the rollout on.</p>
      ) : (
        <>
          <Seal audit={audit} />
          <div class="search">
            <label>
              <span class="soft small">Show only rows with</span>
              <input
                type="search"
                value={filter}
                placeholder="actor, action, reason…"
                onInput={({ currentTarget }) => setFilter(currentTarget.value)}
              />
            </label>
            <label class="check small">
              <input
                type="checkbox"
                checked={areWaitsHidden}
                onChange={({ currentTarget }) => hideWaits(currentTarget.checked)}
              />
              Hide analyses that waited
            </label>
          </div>
          <p class="soft small" role="status">
            {countOf(shown.length, rows.length)}
          </p>
          <ol class="audit-rows" tabIndex={0} aria-label="Rows of the audit trail">
            {list}
          </ol>
        </>
      )}
    </Card>
  );
}

/** As many rows as the page gets. */
const mostRows = 200;

function countOf(shown: number, rows: number): string {
  const all = rows < mostRows ? `${formatCount(rows)} rows` : `the newest ${formatCount(rows)} rows`;
  return shown === rows ? `Shows ${all}.` : `Shows ${formatCount(shown)} of ${all}.`;
}

function holds({ actor, action, reason, figures }: AuditRowPage, filter: string): boolean {
  const wanted = filter.trim().toLowerCase();
  return [actor, action, reason, figures].some((text) => text.toLowerCase().includes(wanted));
}

function AuditRow({ row: { position, atMs, actor, action, reason, figures } }: { readonly row: AuditRowPage }) {
  return (
    <li>
      <p class="row-head">
        <b>
          <Text>{action}</Text>
        </b>{' '}
        <span>
          by <Text>{actor}</Text>
        </span>
        <span class="soft small">
          <Time atMs={atMs} /> · row {formatCount(position)}
        </span>
      </p>
      <p>
        <Text>{reason}</Text>
      </p>
      {figures !== '' && (
        <p class="soft small">
          <Text>{figures}</Text>
        </p>
      )}
    </li>
  );
}

/** What proves that nobody changed the trail: the last row's hash, to be compared, and the last check of the chain. */
function Seal({ audit: { head, verified } }: { readonly audit: AuditPage }) {
  return (
    <dl class="seal">
      <div>
        <dt>Head hash</dt>
        <dd>
          <Hash hash={head.hash} />
        </dd>
      </div>
      <div>
        <dt>Last check of the chain</dt>
        <dd>
          {verified === null ? (
            <>
              <Missing /> <span class="soft">not checked yet: a worker does so each hour</span>
            </>
          ) : (
            <>
              <Chip tone={verified.isIntact ? 'good' : 'bad'} icon={verified.isIntact ? '✔' : '✖'}>
                {verified.isIntact ? 'Intact' : 'Not intact'}
              </Chip>{' '}
              <Distance atMs={verified.atMs} />
              <small>
                <Text>{verified.message}</Text>
              </small>
            </>
          )}
        </dd>
      </div>
    </dl>
  );
}

function Hash({ hash }: { readonly hash: string }) {
  const [taken, setTaken] = useState<'copied' | 'selected' | null>(null);
  const text = useRef<HTMLElement>(null);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(hash);
      setTaken('copied');
    } catch {
      // Browsers allow it on loopback and over HTTPS only.
      setTaken('selected');
    }
  };
  useEffect(() => {
    if (taken === 'selected' && text.current !== null) getSelection()?.selectAllChildren(text.current);
  }, [taken]);
  return (
    <>
      <code ref={text} title={hash}>
        {taken === 'selected' ? hash : `${hash.slice(0, shortHash)}…`}
      </code>{' '}
      <button type="button" class="plain" onClick={() => void copy()}>
        Copy<span class="hidden"> the head's hash</span>
      </button>{' '}
      <span class="soft small" role="status">
        {taken === 'copied' && 'copied'}
        {taken === 'selected' && 'selected: copy it with the keyboard'}
      </span>
    </>
  );
}
