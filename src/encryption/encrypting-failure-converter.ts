import { DefaultFailureConverter } from '@temporalio/common';

/**
 * Puts a failure's message and stack trace into a payload, where the codec encrypts them: an unexpected error may quote
 * the text it failed on. Temporal loads this module by path and looks for this name.
 */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
