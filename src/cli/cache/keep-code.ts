// When the compiled code of a program is kept: by default as the process ends. A program and the module that keeps its code lie in
// different files of the bundle, each with its own copies of modules, so they talk through an event of `process`.

const EVENT = 'ramferry:keep-code';

/** `process`, whose type knows only Node's own events. */
const bus = process as {
  emit(event: string, now: boolean): boolean;
  once(event: string, listener: (now: boolean) => void): unknown;
};

/** Keeps the program's code now instead of at the end. Takes some 0.1 s. Does nothing where nothing is to be kept. */
export function keepCodeNow(): void {
  bus.emit(EVENT, true);
}

/** The process is about to end, and must not take longer: its code is not kept. */
export function keepNoCode(): void {
  bus.emit(EVENT, false);
}

/** @param decide called once, when the program has decided: true to keep its code now */
export function onKeepCode(decide: (now: boolean) => void): void {
  bus.once(EVENT, decide);
}
