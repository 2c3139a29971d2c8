import { fuzzGateway } from './fuzz-gateway';

test('whatever comes is answered, or refused in the shape of every error, and no connection of it stays', () =>
  fuzzGateway({ warmUpCount: 200, requestCount: 800, sizedCount: 40, rawCount: 200 }));
