/** Secret keys by id. The active one is used for new data; the others only for existing data. */
export interface KeyRing {
  readonly activeKeyId: string;
  readonly keys: ReadonlyMap<string, Uint8Array>;
}
