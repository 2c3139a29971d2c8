import { ImageMemory } from '../../src/activities/restore-images';
import type { ChatMessage, ContentPart } from '../../src/contract/chat';
import { imageScheme, type ImageStore } from '../../src/contract/images';

const sizes = new Map([
  ['a', 60],
  ['b', 50],
  ['c', 40],
]);
const store: ImageStore = {
  maxBytesOfCall: 100,
  keep: () => Promise.resolve(),
  sizes: (_key, ids) => Promise.resolve(new Map([...sizes].filter(([id]) => ids.includes(id)))),
  read: (_key, id) => Promise.resolve({ mediaType: 'image/png', bytes: Buffer.from(id) }),
};

const part = (id: string): ContentPart => ({ type: 'image_url', image_url: { url: imageScheme + id, detail: 'low' } });
const showing = (...ids: string[]): ChatMessage => ({ role: 'user', content: ids.map(part) });
const answer: ChatMessage = { role: 'assistant', content: 'A cat.' };
const use = (messages: readonly ChatMessage[], deadlineAtMs = Date.now() + 60_000) => ({
  keyId: 'k',
  messages,
  deadlineAtMs,
});
const shownIn = (messages: readonly ChatMessage[]) => messages.map(({ content }) => content);
const read = (messages: readonly ChatMessage[]) => Promise.resolve(shownIn(messages));
const whole = (id: string) => ({
  type: 'image_url',
  image_url: { url: `data:image/png;base64,${Buffer.from(id).toString('base64')}`, detail: 'low' },
});
const inWords = { type: 'text', text: expect.stringContaining('no longer available') as string };

test('of earlier turns, the most recent pictures are shown that one request may bring', async () => {
  const memory = new ImageMemory();
  const messages = [showing('a'), answer, showing('b'), answer, showing('c')];
  await expect(memory.use(store, use(messages), read)).resolves.toEqual({
    kind: 'done',
    result: [[inWords], 'A cat.', [whole('b')], 'A cat.', [whole('c')]],
  });
});

test('all pictures of this turn are shown, and a picture that comes twice counts once', async () => {
  const memory = new ImageMemory();
  const messages = [showing('c'), answer, showing('a', 'b', 'c')];
  await expect(memory.use(store, use(messages), read)).resolves.toMatchObject({
    result: [[whole('c')], 'A cat.', [whole('a'), whole('b'), whole('c')]],
  });
});

test.each([
  ['is not kept', store, 'k', [showing('gone')]],
  ['has no store', undefined, 'k', [showing('a')]],
  ['belongs to a turn without a key', store, undefined, [showing('a')]],
])('a picture of this turn that %s is not called for', async (_, images, keyId, messages) => {
  const work = jest.fn();
  const memory = new ImageMemory();
  await expect(memory.use(images, { ...use(messages), keyId }, work)).resolves.toEqual({ kind: 'not-kept' });
  expect(work).not.toHaveBeenCalled();
});

test('calls with pictures wait for room, up to their deadline, and those without do not', async () => {
  const memory = new ImageMemory(100);
  let end!: () => void;
  const held = new Promise<void>((resolve) => (end = resolve));
  const first = memory.use(store, use([showing('a')]), () => held);
  await expect(memory.use(store, use([showing('b')], Date.now() + 20), read)).resolves.toEqual({ kind: 'no-room' });
  await expect(memory.use(store, use([showing('c')]), read)).resolves.toMatchObject({ kind: 'done' });
  await expect(memory.use(store, use([answer]), read)).resolves.toMatchObject({ kind: 'done' });
  const second = memory.use(store, use([showing('b')]), read);
  end();
  await expect(Promise.all([first, second])).resolves.toMatchObject([{ kind: 'done' }, { kind: 'done' }]);
});

test('a call that fails gives its room back', async () => {
  const memory = new ImageMemory(60);
  const fail = () => Promise.reject(new Error('broken'));
  await expect(memory.use(store, use([showing('a')]), fail)).rejects.toThrow('broken');
  await expect(memory.use(store, use([showing('a')]), read)).resolves.toMatchObject({ kind: 'done' });
});
