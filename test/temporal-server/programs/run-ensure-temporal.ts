import { ensureTemporalBinary } from '../../../src/temporal-server/ensure-temporal';
import { createReporter } from '../../../src/terminal/reporter';

/** Arguments: cache directory, PATH, base URL of the download. Prints the program that it found as JSON. */
const [cacheDirectory = '', path = '', baseUrl = ''] = process.argv.slice(2);
void ensureTemporalBinary({
  cacheDirectory,
  path,
  download: { baseUrl, sha256: {} },
  report: createReporter(process.stderr),
}).then((found) => console.log(JSON.stringify(found)));
