import envPaths from 'env-paths';

/** The one that users have too: what was brought for `bellwether up` serves the tests, and the other way round. */
export const cacheDirectory = envPaths('bellwether', { suffix: '' }).cache;
