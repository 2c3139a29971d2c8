/**
 * `node --require` this file in a worker: its workflow threads append to the file in BELLWETHER_TEST_ACTIVATIONS the CPU time
 * of each activation that is longer than all before it in that thread, in milliseconds. CPU time and not elapsed time, so that
 * it does not matter what else the machine does.
 */
const { appendFileSync, readFileSync } = require('node:fs');
const { isMainThread } = require('node:worker_threads');

function threadMilliseconds() {
  const [nanoseconds] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
  return Number(nanoseconds) / 1e6;
}

if (!isMainThread) {
  const { BaseVMWorkflow } = require('@temporalio/worker/lib/workflow/vm-shared');
  // oxlint-disable-next-line typescript/unbound-method -- called with its object below
  const { activate } = BaseVMWorkflow.prototype;
  let longest = 0;
  BaseVMWorkflow.prototype.activate = async function timed(activation) {
    const before = threadMilliseconds();
    try {
      return await activate.call(this, activation);
    } finally {
      const milliseconds = threadMilliseconds() - before;
      if (milliseconds > longest) {
        longest = milliseconds;
        appendFileSync(process.env.BELLWETHER_TEST_ACTIVATIONS, `${milliseconds}\n`);
      }
    }
  };
}
