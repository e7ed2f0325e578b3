// Timers. Each belongs to the event that starts it and ends with it; none can start in global
// scope.

/** Calls back once, after so many milliseconds and at least one. Gives the timer's id. */
declare function setTimeout<Args extends unknown[]>(
  callback: (...args: Args) => void,
  delay?: number,
  ...args: Args
): number;

/** Calls back again and again. */
declare function setInterval<Args extends unknown[]>(
  callback: (...args: Args) => void,
  delay?: number,
  ...args: Args
): number;

/** Ends a timer of either kind; what is no timer's id is ignored. */
declare function clearTimeout(id: number | null | undefined): void;
declare function clearInterval(id: number | null | undefined): void;

declare const scheduler: {
  /** Resolves after so many milliseconds, or rejects with the signal's reason. */
  wait(delay: number, options?: { signal?: AbortSignal }): Promise<void>;
};
