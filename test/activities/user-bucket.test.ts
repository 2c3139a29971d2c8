import { userBucket } from '../../src/activities/user-bucket';

describe('the bucket of a user', () => {
  // From the migration guide's Python: int(hashlib.md5(user_id.encode()).hexdigest(), 16) % 100 + 1
  it.each([
    ['user_0000', 80],
    ['user_0001', 60],
    ['user_0042', 96],
    ['user_0999', 90],
    ['ünïcode', 53],
    ['用户', 8],
    ['a'.repeat(128), 65],
    ['__proto__', 42],
    ['session/1', 59],
    ['', 67],
  ])('of %s is %i, as the migration guide computes it', (userId, bucket) => {
    expect(userBucket(userId)).toBe(bucket);
  });

  it('lets 101 of the migration guide’s 1,000 users into its 10 %', () => {
    const users = Array.from({ length: 1000 }, (_, index) => `user_${String(index).padStart(4, '0')}`);
    expect(users.filter((userId) => userBucket(userId) <= 10)).toHaveLength(101);
  });

  it.each([10, 25, 50, 75])('is among the first %i for that percentage of 10,000 users', (percent) => {
    const users = Array.from({ length: 10_000 }, (_, index) => `user_${String(index).padStart(4, '0')}`);
    const share = percent / 100;
    const inside = users.filter((userId) => userBucket(userId) <= percent).length;
    // Five standard deviations of a binomial share: outside once in two million.
    expect(Math.abs(inside - users.length * share)).toBeLessThan(5 * Math.sqrt(users.length * share * (1 - share)));
  });
});
