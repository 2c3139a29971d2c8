/** What global-setup made and global-teardown must end; both run in Jest's main process. */
export const endings: (() => Promise<void>)[] = [];
