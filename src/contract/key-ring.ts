/** Secret keys by id: the active one makes what is new, and the others are kept for what older ones made. */
export interface KeyRing {
  readonly activeKeyId: string;
  readonly keys: ReadonlyMap<string, Uint8Array>;
}
