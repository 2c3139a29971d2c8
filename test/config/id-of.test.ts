import * as fc from 'fast-check';
import { idOf, spellingOf } from '../../src/config/id-of';
import { idProblem } from '../../src/domain/turn/validate-input';

describe('the id of a name', () => {
  it.each(['user_0042', 'staff@example.com', '__proto__', 'x'.repeat(200)])(
    'is the name itself if that is an id: %s',
    (name) => {
      expect(idOf(name)).toBe(name);
    },
  );

  it.each(['user 7', 'u-ü', '用户7', 'x'.repeat(201)])('is a hash of any other name: %s', (name) => {
    expect(idOf(name)).toMatch(/^sha256-[0-9a-f]{40}$/);
    expect(idOf(name)).not.toBe(idOf(`${name}!`));
  });

  it.each([
    ['spaces around it', ' user 7\t', 'user 7'],
    ['its accents apart', 'Zoe\u0308', 'Zo\u00eb'],
    ['its syllables apart', '\u1112\u1161\u11ab', '\ud55c'],
  ])('is the same for a name with %s', (_, spelled, name) => {
    expect(idOf(spelled)).toBe(idOf(name));
    expect(spellingOf(spelled)).toBe(name);
  });

  it('keeps its prefix, which counts towards its length', () => {
    expect(idOf('chat 1', 'key.')).toMatch(/^key\.sha256-/);
    expect(idOf('chat-1', 'key.')).toBe('key.chat-1');
    expect(idOf('x'.repeat(197), 'key.')).toMatch(/^key\.sha256-/);
  });

  it('is an id, and its own id, whatever the name is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (name) => {
        fc.pre(name.trim() !== '');
        const id = idOf(name);
        expect(idProblem(['id'], id)).toBeNull();
        expect(idOf(id)).toBe(id);
      }),
    );
  });

  it('takes linear time for a name of composing characters', () => {
    const name = 'a' + '\u0301\u0323'.repeat(500_000);
    expect(spellingOf(name)).toBe(name);
  });
});
