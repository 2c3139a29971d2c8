import { startControlServer } from '../../../src/local/simulator/control-server';
import { startSimulator } from '../../../src/local/simulator/simulator';
import { sendAs } from '../../support/send-as';

test.each([
  ['whose name was pointed at this machine', { host: 'evil.example' }],
  ['of another origin', { origin: 'http://evil.example' }],
])('a page %s can neither call nor control the simulated provider', async (_title, headers) => {
  const simulator = await startSimulator({ models: { m: {} } });
  const control = await startControlServer(simulator, 0);
  try {
    const call = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hello' }] });
    const sent = await sendAs(`${simulator.baseUrl}/chat/completions`, headers, { method: 'POST', body: call });
    expect(sent.status).toBe(403);
    const goDown = JSON.stringify({ command: 'goDown' });
    expect((await sendAs(control.url, headers, { method: 'POST', body: goDown })).status).toBe(403);
    expect((await sendAs(control.url, headers)).status).toBe(403);
    expect(await simulator.calls()).toEqual([]);
    expect((await sendAs(`${simulator.baseUrl}/models`, {})).status).toBe(200);
  } finally {
    await control.close();
    await simulator.close();
  }
});
