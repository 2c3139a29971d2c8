/** The simulator's program from its sources, for `startSimulatorProcess({ script })`. */
// oxlint-disable import/no-unassigned-import -- a program is run by requiring it
require('./register-typescript');
require('../../src/local/simulator/main.ts');
