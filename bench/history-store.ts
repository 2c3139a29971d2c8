import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { BetterSqlite3 } from '../src/platform/better-sqlite3';
import type { ChatMessage } from '../src/contract/chat';
import { limits } from '../src/contract/limits';

/** The table of messages that a service without a conversation workflow keeps, on the same terms as the ledger. */
export class HistoryStore {
  private readonly database: Database;

  constructor(directory: string) {
    this.database = new BetterSqlite3(join(directory, 'history.db'));
    this.database.pragma('journal_mode = WAL');
    this.database.pragma('synchronous = FULL');
    this.database.exec(
      'create table messages (id integer primary key, session_id text, role text, content text);' +
        'create index messages_by_session on messages (session_id, id)',
    );
  }

  /** The messages that fit a window, oldest first. */
  load(sessionId: string): ChatMessage[] {
    return this.database
      .prepare<unknown[], ChatMessage>(
        'select role, content from messages where session_id = ? order by id desc limit ?',
      )
      .all(sessionId, limits.maxWindowMessages)
      .toReversed();
  }

  append(sessionId: string, messages: readonly ChatMessage[]): void {
    const insert = this.database.prepare('insert into messages (session_id, role, content) values (?, ?, ?)');
    this.database.transaction(() => messages.forEach(({ role, content }) => insert.run(sessionId, role, content)))();
  }

  close(): void {
    this.database.close();
  }
}
