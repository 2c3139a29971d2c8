import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Exchange {
  readonly question: string;
  readonly answer: string;
}

/** The exchanges of a file in `answers`: a line `> question`, the answer, and `---` between them. */
export function readAnswers(name: string): readonly Exchange[] {
  return readFileSync(join(__dirname, 'answers', `${name}.txt`), 'utf8')
    .split('\n---\n')
    .map((exchange) => {
      const [first = '', ...rest] = exchange.split('\n');
      return { question: first.replace(/^> /, ''), answer: rest.join('\n').trim() };
    });
}
