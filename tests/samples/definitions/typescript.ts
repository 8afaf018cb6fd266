import type { Config } from './config';
import * as fs from 'node:fs';

/** What a reader gives. */
export interface Reader<T> {
  read(path: string): Promise<T>;
  /** Closes it. */
  close(): void;
}

export type Pair = [string, number];

export enum Level {
  Low = 1,
  High,
}

@Component({ selector: 'app' })
export abstract class FileReader<T> implements Reader<T> {
  private readonly cache = new Map<string, T>();

  constructor(private config: Config) {
    super();
  }

  /** Reads a file once. */
  @memo()
  async read(path: string): Promise<T> {
    return fs.readFile(path);
  }

  abstract parse(text: string): T;
}

export namespace Tools {
  export function trim(text: string): string {
    return text.trim();
  }
}

export function over(x: string): string;
export function over(x: number): number;
export function over(x: any): any {
  return x;
}

test('reads a file', async () => {
  expect(await new FileReader().read('a')).toBe('b');
});
