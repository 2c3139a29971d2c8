import { useEffect, useState } from 'preact/hooks';
import { pagePaths, type SessionPage } from '../contract/page';
import { SessionPanel, SessionSearch } from './panels/session';
import { readSession, RequestProblem } from './server';

/** The turns of one session, read when it is opened. */
export function Session({ id, onLoggedOut }: { readonly id: string; readonly onLoggedOut: () => void }) {
  const [session, setSession] = useState<SessionPage | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let isShown = true;
    setSession(null);
    setProblem(null);
    readSession(id)
      .then((read) => isShown && setSession(read))
      .catch((error: unknown) => {
        if (!isShown) return;
        if (error instanceof RequestProblem && error.isLoggedOut) onLoggedOut();
        setProblem(error instanceof Error ? error.message : String(error));
      });
    return () => {
      isShown = false;
    };
  }, [id]);
  return (
    <>
      <p>
        <a href={pagePaths.page}>← Back to the rollout</a>
      </p>
      {session === null ? <p role="status">{problem ?? 'Reading…'}</p> : <SessionPanel session={session} />}
      <SessionSearch />
    </>
  );
}
