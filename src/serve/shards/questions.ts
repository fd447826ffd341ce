// `Questions`: what one process asks another, and the answers, by number. Promises that each question is answered once; a later answer has no effect.

/** The answer of a process that says nothing for so long. */
export interface Limit<Answer> {
  readonly milliseconds: number;
  readonly answer: Answer;
}

export class Questions<Answer> {
  readonly #open = new Map<number, (answer: Answer) => void>();
  #next = 1;

  /**
   * @param send sends the question with this number
   * @param limit default: the answer may take any time
   */
  ask(send: (request: number) => void, limit?: Limit<Answer>): Promise<Answer> {
    const request = this.#next++;
    return new Promise((resolve) => {
      const timer = limit && setTimeout(() => this.answer(request, limit.answer), limit.milliseconds);
      this.#open.set(request, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      send(request);
    });
  }

  answer(request: number, answer: Answer): void {
    this.#open.get(request)?.(answer);
    this.#open.delete(request);
  }

  /** Answers every open question: the other process is gone. */
  answerAll(answer: Answer): void {
    for (const request of this.#open.keys()) this.answer(request, answer);
  }
}
