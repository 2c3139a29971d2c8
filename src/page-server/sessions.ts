import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { hashSecret } from '../access/api-key';
import { BatchedLookups } from '../access/batched-lookups';
import { type ApiKeyCheck, checkApiKey, refusalOf } from '../access/check-api-key';
import { RecentApiKeys } from '../access/recent-api-keys';
import { type ApiKey, type ApiKeys, mayKey } from '../contract/api-keys';
import type { PageSession, PageSessions } from '../contract/page-sessions';

/** A working day: whoever comes back tomorrow logs in again. */
export const sessionMs = 12 * 60 * 60 * 1000;

/** A session that was ended elsewhere works no longer than this, as a revoked key does. */
const rememberedForMs = 1_000;

/** 256 bits, as in an API key: infeasible to guess, so a plain hash keeps it. */
const idBytes = 32;

const idPattern = /^[\w-]{43}$/;

/** Somebody who is logged in. */
export interface LoggedIn {
  readonly session: PageSession;
  readonly key: ApiKey;
}

interface SessionStore {
  readonly keys: Pick<ApiKeys, 'find' | 'findAll'>;
  readonly pageSessions: PageSessions;
}

/** The sessions of the page. Every check also checks the API key that logged in. */
export class Sessions {
  private readonly keys: RecentApiKeys;
  private readonly lookups: BatchedLookups<PageSession>;
  private readonly recent = new LRUCache<string, Promise<PageSession | null>>({ max: 10_000, ttl: rememberedForMs });

  constructor(private readonly store: SessionStore) {
    this.keys = new RecentApiKeys(store.keys);
    this.lookups = new BatchedLookups(
      'sessions',
      (idHashes) => store.pageSessions.findAll(idHashes),
      ({ idHash }) => idHash,
    );
  }

  checkKey(text: string, nowMs: number): Promise<ApiKeyCheck> {
    return checkApiKey(this.keys, text, nowMs);
  }

  /** Returns the session's id, for the cookie. */
  async begin(keyId: string, nowMs: number): Promise<string> {
    const id = randomBytes(idBytes).toString('base64url');
    await this.store.pageSessions.create({
      idHash: hashOf(id),
      keyId,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + sessionMs,
    });
    return id;
  }

  async end({ session }: LoggedIn): Promise<void> {
    await this.store.pageSessions.end(session.idHash);
    this.recent.delete(session.idHash);
  }

  /** Null if there is no such session, or if it or its key is no longer valid. */
  async find(id: string, nowMs: number): Promise<LoggedIn | null> {
    if (!idPattern.test(id)) return null;
    const session = await this.recall(hashOf(id));
    if (session === null) return null;
    return loggedIn(session, await this.keys.find(session.keyId), nowMs);
  }

  /** Those of the sessions that are still valid, by two queries. */
  async stillValid(sessions: readonly PageSession[], nowMs: number): Promise<ReadonlyMap<string, LoggedIn>> {
    const known = await this.store.pageSessions.findAll(unique(sessions.map(({ idHash }) => idHash)));
    const keys = await this.store.keys.findAll(unique(known.map(({ keyId }) => keyId)));
    const keyOf = new Map(keys.map((key) => [key.id, key]));
    const valid = known.flatMap((session) => loggedIn(session, keyOf.get(session.keyId) ?? null, nowMs) ?? []);
    return new Map(valid.map((each) => [each.session.idHash, each]));
  }

  private recall(idHash: string): Promise<PageSession | null> {
    const recalled = this.recent.get(idHash);
    if (recalled !== undefined) return recalled;
    const lookup = this.lookups.find(idHash);
    this.recent.set(idHash, lookup);
    // A failed look-up is reported to its callers, and not remembered.
    lookup.catch(() => {
      if (this.recent.peek(idHash) === lookup) this.recent.delete(idHash);
    });
    return lookup;
  }
}

function loggedIn(session: PageSession, stored: Awaited<ReturnType<ApiKeys['find']>>, nowMs: number): LoggedIn | null {
  if (nowMs >= session.expiresAtMs || stored === null) return null;
  const { secretHash: _secretHash, ...key } = stored;
  return refusalOf(key, nowMs) === null && mayKey(key, 'see-page') ? { session, key } : null;
}

function hashOf(id: string): string {
  return hashSecret(id).toString('hex');
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
