/** Deeds come at a rate, and looks must leave the machine some room: the torture, unlike a story, lives in time. */
export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
