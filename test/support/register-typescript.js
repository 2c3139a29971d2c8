/** `node --require` this file to run TypeScript in a separate process, with Jest's settings. */
const { readFileSync } = require('node:fs');
const { transformSync } = require('@swc/core');
const jestConfig = require('../../jest.config.js');

const [, options] = jestConfig.transform['^.+\\.ts$'];
require.extensions['.ts'] = (module, filename) => {
  // oxlint-disable-next-line no-underscore-dangle -- Node's name
  module._compile(transformSync(readFileSync(filename, 'utf8'), { ...options, filename }).code, filename);
};
