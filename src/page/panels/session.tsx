import type { SessionPage } from '../../contract/page';
import { Card } from '../elements';
import { goTo, sessionHref } from '../route';

export function SessionPanel({ session }: { readonly session: SessionPage }) {
  return (
    <Card id="session" title={`Session ${session.id}`}>
      <p>{session.turns.length} turns.</p>
    </Card>
  );
}

export function SessionSearch() {
  return (
    <Card id="session-search" title="Find a session">
      <form onSubmit={search}>
        <label>
          Session id <input name="id" />
        </label>{' '}
        <button type="submit">Show</button>
      </form>
    </Card>
  );
}

function search(event: SubmitEvent): void {
  event.preventDefault();
  const id = new FormData(event.currentTarget as HTMLFormElement).get('id');
  if (typeof id === 'string' && id.trim() !== '') goTo(sessionHref(id.trim()));
}
