/** What an API key can be allowed to do. */
export type KeyPermission =
  | 'send-turns'
  | 'rate-own-turns'
  | 'list-models'
  | 'read-own-turns'
  | 'read-all-turns'
  | 'read-metrics'
  | 'see-page'
  | 'operate-rollouts';

/** All roles, and everything that keys of each role may do. */
const permissionsByRole = {
  /** For services that send turns. */
  chat: ['send-turns', 'rate-own-turns', 'list-models', 'read-own-turns'],
  /** For the people who run the service. Cannot send turns, so a leaked one costs no money. */
  operator: ['list-models', 'read-own-turns', 'read-all-turns', 'read-metrics', 'see-page', 'operate-rollouts'],
  /** For people who only watch: the operator's page, without its commands. */
  viewer: ['see-page'],
  /** For Prometheus. */
  metrics: ['read-metrics'],
} as const satisfies Readonly<Record<string, readonly KeyPermission[]>>;

export type KeyRole = keyof typeof permissionsByRole;

export const keyRoles = Object.keys(permissionsByRole) as readonly KeyRole[];

/** An unknown role, written to the ledger by a newer version, may do nothing here. */
export function mayKey({ role }: Pick<ApiKey, 'role'>, permission: KeyPermission): boolean {
  return rolesThatMay(permission).includes(role);
}

export function rolesThatMay(permission: KeyPermission): readonly KeyRole[] {
  return keyRoles.filter((role) => permissionsByRole[role].some((each) => each === permission));
}

export interface ApiKey {
  /** Not secret: it appears in lists, in turns' inputs and on attempts. */
  readonly id: string;
  /** A label for people, such as `support-bot`. Not unique: a key and its replacement may share it. */
  readonly name: string;
  readonly role: KeyRole;
  /** Spending limits per UTC day and in total; null: no limit of its own. */
  readonly dayNanoUsd: number | null;
  readonly totalNanoUsd: number | null;
  /** The models that its requests may name; null: all. */
  readonly models: readonly string[] | null;
  /** null: no limit of its own. */
  readonly requestsPerMinute: number | null;
  readonly createdAtMs: number;
  /** The key is refused from this moment on; null: it never expires. */
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
}

/** A key with the hash that verifies it; only for `checkApiKey`. */
export interface StoredApiKey extends ApiKey {
  /** SHA-256 of the key's secret, in hex. The secret itself is stored nowhere. */
  readonly secretHash: string;
}

/** A key with what its turns have cost so far. Unconfirmed attempts count at their worst case; attempts in flight do not count. */
export interface ListedApiKey extends ApiKey {
  readonly spentTodayNanoUsd: number;
  readonly spentNanoUsd: number;
}

export type NewApiKey = Omit<StoredApiKey, 'revokedAtMs'>;

/** The API keys that the gateway accepts. Like everything in the ledger, every method is safe to repeat. */
export interface ApiKeys {
  /** @throws when another key has this id */
  create(key: NewApiKey): Promise<void>;
  /** All keys, including revoked and expired ones, oldest first. Today is the UTC day of `atMs`, which is as in `AdmitRequest`. */
  list(atMs?: number): Promise<readonly ListedApiKey[]>;
  find(id: string): Promise<StoredApiKey | null>;
  /** Those of the ids that exist, with one query. */
  findAll(ids: readonly string[]): Promise<readonly StoredApiKey[]>;
  /** Revoking a key again keeps the first revocation time. Returns false when there is no such key. */
  revoke(id: string, atMs: number): Promise<boolean>;
}
