import type { SessionPage, SessionTurn } from '../../contract/page';
import { Card, Missing, TableBox, Time } from '../elements';
import { formatCount, formatLatency, formatUsd } from '../format';
import { goTo, sessionHref } from '../route';
import { languageName, plain, Text } from './text';

/** The turns of one session as facts: no text of a message. */
export function SessionPanel({ session }: { readonly session: SessionPage }) {
  const { id, turns, costNanoUsd } = session;
  return (
    <Card id="session" title={`Session ${plain(id)}`} aside={<>costs {formatUsd(costNanoUsd)}</>}>
      {turns.length === 0 ? (
        <p class="empty">
          No turn of this session is known. Ids are compared exactly, and turns without a session have none.
        </p>
      ) : (
        <TableBox label="Turns of the session">
          <table class="stacks">
            <thead>
              <tr>
                <th scope="col">Turn</th>
                <th scope="col">Answered by</th>
                <th scope="col">Outcome</th>
                <th scope="col">Language</th>
                <th scope="col" class="number">
                  Attempts
                </th>
                <th scope="col" class="number">
                  Latency
                </th>
                <th scope="col" class="number">
                  Tokens in, out
                </th>
                <th scope="col" class="number">
                  Cost
                </th>
              </tr>
            </thead>
            <tbody>
              {turns.map((turn) => (
                <Turn key={turn.turn} turn={turn} />
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
    </Card>
  );
}

function Turn({ turn }: { readonly turn: SessionTurn }) {
  const { arm, target, outcome, flags, feedback, language, latencyMs, workflowUrl } = turn;
  return (
    <tr>
      <th scope="row">
        {workflowUrl === null ? (
          <Text>{turn.turn}</Text>
        ) : (
          <a href={workflowUrl} target="_blank" rel="noreferrer" title="Opens its workflow in the Temporal UI">
            <Text>{turn.turn}</Text>
          </a>
        )}
        <small>
          <Time atMs={turn.atMs} />
        </small>
      </th>
      <td data-label="Answered by">
        {target === null ? <Missing /> : <Text>{target}</Text>}
        <small>
          <Text>{arm}</Text>
        </small>
      </td>
      <td data-label="Outcome">
        <Text>{outcome}</Text>
        {flags.length > 0 && (
          <small>
            ⚑ <Text>{flags.join(', ')}</Text>
          </small>
        )}
        {feedback !== null && (
          <small>
            feedback: <Text>{feedback}</Text>
          </small>
        )}
      </td>
      <td data-label="Language">{language === null ? <Missing /> : languageName(language)}</td>
      <td class="number" data-label="Attempts">
        {formatCount(turn.attempts)}
      </td>
      <td class="number" data-label="Latency">
        {latencyMs === null ? <Missing /> : formatLatency(latencyMs)}
      </td>
      <td class="number" data-label="Tokens in, out">
        {formatCount(turn.promptTokens)}, {formatCount(turn.completionTokens)}
      </td>
      <td class="number" data-label="Cost">
        {formatUsd(turn.costNanoUsd)}
      </td>
    </tr>
  );
}

/** Leads to a session by its id. */
export function SessionSearch() {
  return (
    <Card id="session-search" title="Find a session">
      <form class="search" role="search" onSubmit={search}>
        <label>
          <span class="soft small">Session id</span>
          <input type="search" name="id" autoComplete="off" spellcheck={false} required maxLength={500} />
        </label>
        <button type="submit">Show its turns</button>
      </form>
    </Card>
  );
}

function search(event: SubmitEvent): void {
  event.preventDefault();
  const id = new FormData(event.currentTarget as HTMLFormElement).get('id');
  if (typeof id === 'string' && id.trim() !== '') goTo(sessionHref(id.trim()));
}
