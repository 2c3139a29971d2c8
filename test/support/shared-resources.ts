/** What global-setup starts and global-teardown must stop; both run in Jest's main process. */
export const endings: (() => Promise<void>)[] = [];
