/** setTimeout fires at once when it is asked for more (Node's documentation). As a limit, 24 days are as good as any longer time. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;
