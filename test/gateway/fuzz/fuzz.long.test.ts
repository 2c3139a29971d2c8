import { fuzzGateway } from './fuzz-gateway';

// A few minutes on two cores; no measure of speed but an end of patience.
const patienceMs = 15 * 60_000;

test(
  'whatever comes is answered, or refused in the shape of every error, and nothing of it stays, no memory either',
  () => fuzzGateway({ warmUpCount: 2_000, requestCount: 10_000, sizedCount: 1_000, rawCount: 1_000 }),
  patienceMs,
);
