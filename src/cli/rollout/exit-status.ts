/** What `watch` ends with, so that a pipeline can go on or stop. */
export const watchStatus = { promoted: 0, rolledBack: 1, pausedOrHeld: 3, timedOut: 4 } as const;

export const commandStatusHelp =
  'Exit status: 0 accepted, 1 refused or failed, 2 wrong usage or configuration.\nEvery command is kept in the audit trail, with its actor and reason.';
