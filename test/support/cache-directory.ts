import envPaths from 'env-paths';

/** The users' own cache: what `bellwether up` installed serves the tests, and vice versa. */
export const cacheDirectory = envPaths('bellwether', { suffix: '' }).cache;
