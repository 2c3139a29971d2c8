/** Tests mirror src; swc options stand here because a root .swcrc could reach the workflow bundle. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs', ignoreDynamic: true },
        swcrc: false,
      },
    ],
  },
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // A test's own global object is slow to ask; tests that draw a million random numbers take a tenth of the time so.
  sandboxInjectedGlobals: ['Math'],
  // Two cores; the suites with servers and workers are heavy.
  maxWorkers: 2,
  testTimeout: 60_000,
};
