/** What `npm test` leaves out because it takes minutes; CONTRIBUTING.md says what and why. */
module.exports = {
  ...require('./jest.config.js'),
  // Each keeps a core busy.
  maxWorkers: 2,
  testMatch: ['**/*.long.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
};
