import { useEffect, useState } from 'preact/hooks';
import { type LoginRequest, pagePaths } from '../contract/page';
import { logIn } from './server';

/** Asks for a key, or logs in with the code of a link that `bellwether up` printed. */
export function Login({ onLoggedIn }: { readonly onLoggedIn: () => void }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [isSending, setIsSending] = useState(false);

  const send = async (credentials: LoginRequest): Promise<void> => {
    setIsSending(true);
    setProblem(null);
    try {
      await logIn(credentials);
      if (location.pathname !== pagePaths.page) history.replaceState(null, '', pagePaths.page);
      onLoggedIn();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      setIsSending(false);
    }
  };

  useEffect(() => {
    document.title = 'Log in – Bellwether';
    const useLink = (): void => {
      const code = takeCode();
      if (code !== null) void send({ code });
    };
    useLink();
    // Another link in the same tab changes nothing but the fragment.
    addEventListener('hashchange', useLink);
    return () => removeEventListener('hashchange', useLink);
  }, []);

  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const key = new FormData(event.currentTarget as HTMLFormElement).get('key');
    if (typeof key === 'string' && !isSending) void send({ key: key.trim() });
  };

  return (
    <main class="login" id="main">
      <form class="card" onSubmit={submit} aria-busy={isSending}>
        <h1>Bellwether</h1>
        <p class="soft">Log in with an API key whose role is viewer or operator.</p>
        <label>
          API key
          <input name="key" type="password" autocomplete="current-password" spellcheck={false} required />
        </label>
        <button type="submit" class="primary" disabled={isSending}>
          {isSending ? 'Logging in…' : 'Log in'}
        </button>
        <p role="alert" class="problem">
          {problem}
        </p>
        <p class="soft small">
          No key yet? <code>bellwether keys create --role operator</code> makes one, with role <code>viewer</code> for
          those who only look. On this machine, <code>bellwether up</code> prints a link that logs you in.
        </p>
      </form>
    </main>
  );
}

/** Takes the code out of the address at once, so that it is neither seen, copied nor kept in the history. */
function takeCode(): string | null {
  const code = location.hash.slice(1);
  if (location.pathname !== pagePaths.login || code === '') return null;
  history.replaceState(null, '', pagePaths.login);
  return code;
}
