import { execFileSync } from 'node:child_process';
import { dataDirectoryPrefix } from '../../src/config/environment';

const isSet = { BELLWETHER_DATA_DIR: 'somewhere' };

test.each(['/srv/data', '/home/ann/my data', "/home/ann/ann's $HOME; data"])(
  'the prefix of a command leads a shell to %j',
  (directory) => {
    const command = `${dataDirectoryPrefix(directory, isSet)}printenv BELLWETHER_DATA_DIR`;
    expect(execFileSync('sh', ['-c', command], { encoding: 'utf8' })).toBe(`${directory}\n`);
  },
);

test('a plain directory is not quoted', () => {
  expect(dataDirectoryPrefix('/srv/data', isSet)).toBe('BELLWETHER_DATA_DIR=/srv/data ');
});

test.each([{}, { BELLWETHER_DATA_DIR: '' }])('a default directory needs no prefix: %j', (environment) => {
  expect(dataDirectoryPrefix('/srv/data', environment)).toBe('');
});
