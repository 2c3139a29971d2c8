import { useCallback, useEffect, useState } from 'preact/hooks';
import { type PageData, pagePaths } from '../contract/page';
import { Dashboard } from './dashboard';
import { Feed } from './feed';
import { Login } from './login';
import { useRoute } from './route';
import { observeServerTime } from './server-time';
import { showInTab } from './tab';

/** What the page knows of the service. */
interface Known {
  readonly data: PageData;
  /** When the server last read the ledger, be it with the same result. */
  readonly asOfMs: number;
}

/** The operator's page: the login, or what there is to see. */
export function App() {
  const route = useRoute();
  const [isLoggedIn, setIsLoggedIn] = useState(location.pathname !== pagePaths.login);
  const [known, setKnown] = useState<Known | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const logOut = useCallback(() => setIsLoggedIn(false), []);

  useEffect(() => {
    setKnown(null);
    setProblem(null);
    if (!isLoggedIn) return undefined;
    const feed = new Feed(route.rollout, {
      onData: (data) => {
        observeServerTime(data.atMs);
        setKnown({ data, asOfMs: data.atMs });
      },
      onTick: (atMs) => {
        observeServerTime(atMs);
        setKnown((before) => before && { ...before, asOfMs: Math.max(before.asOfMs, atMs) });
      },
      onProblem: setProblem,
      onLoggedOut: logOut,
    });
    return () => feed.stop();
  }, [isLoggedIn, route.rollout]);
  useEffect(() => {
    if (known !== null) showInTab(known.data.rollout);
  }, [known?.data]);

  if (!isLoggedIn) return <Login onLoggedIn={() => setIsLoggedIn(true)} />;
  if (known === null) return <Waiting problem={problem} />;
  return <Dashboard {...known} session={route.session} problem={problem} onLoggedOut={logOut} />;
}

function Waiting({ problem }: { readonly problem: string | null }) {
  return (
    <main class="waiting" id="main">
      <h1>Bellwether</h1>
      <p role="status">{problem === null ? 'Reading…' : `${problem} Trying again.`}</p>
      {location.search !== '' && problem !== null && <a href={pagePaths.page}>Show the newest rollout</a>}
    </main>
  );
}
