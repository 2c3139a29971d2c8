import { DefaultFailureConverter } from '@temporalio/common';

/**
 * Moves a failure's message and stack trace into a payload, where the codec encrypts them: an unexpected error may quote
 * the text it failed on. Temporal loads this module by path and expects this export name.
 */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
