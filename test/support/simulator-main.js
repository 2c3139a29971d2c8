/** The simulator's own program from its sources, for `startSimulatorProcess({ script })`. */
require('./register-typescript');
require('../../src/simulator/main.ts');
