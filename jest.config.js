/** Here because a root .swcrc could reach the workflow bundle. */
const swcOptions = {
  jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
  module: { type: 'commonjs' },
  swcrc: false,
};

/** Tests mirror src. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // Those of `npm run test:long`.
  testPathIgnorePatterns: ['/node_modules/', '\\.long\\.test\\.ts$'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', swcOptions],
    // It imports `http` dynamically, which Jest allows only in code that it has translated.
    '/@opentelemetry/otlp-exporter-base/.+\\.js$': ['@swc/jest', swcOptions],
  },
  transformIgnorePatterns: ['/node_modules/(?!@opentelemetry/otlp-exporter-base/)'],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // A test's own global object is slow to ask: tests that draw a million random numbers take a tenth of the time so, and
  // those that build many SQL statements four fifths.
  sandboxInjectedGlobals: ['Math', 'Object'],
  testSequencer: '<rootDir>/test/support/longest-first.js',
  // For two cores: one in three waits for a timeout or a killed process.
  maxWorkers: 3,
  // A minute is plenty, unless the machine stands still for some of it.
  testTimeout: 120_000,
};
