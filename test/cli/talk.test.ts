import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { talk } from '../../src/cli/talk';
import { type Service, startService } from '../support/service';
import { eventually } from '../support/eventually';
import { unique } from '../support/temporal';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

test('a conversation rates its last answer with /up and /down, and sends neither to a model', async () => {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  let shown = '';
  stdout.on('data', (text) => (shown += stripVTControlCharacters(String(text))));
  const says = async (line: string, answer: string): Promise<void> => {
    const before = shown.length;
    stdin.write(`${line}\n`);
    await eventually(`${line} is answered`, () => shown.slice(before).includes(answer));
  };
  const sessionId = unique('session');
  const talking = talk(service.client, { sessionId }, { stdin, stdout });
  await says('/up', 'There is no answer to rate yet.');
  await says('Where is my order?', 'bot › Your order');
  await says('/up', 'Rated: up.');
  await says('/down', 'Rated: down.');
  stdin.write('/quit\n');
  await talking;
  expect(await service.simulator.calls()).toHaveLength(1);
});
