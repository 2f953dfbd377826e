// Preloaded into an operator: SIGUSR2 shifts what it takes for the time, an hour ahead, then an hour behind, then as it is.
const SHIFTS_MS = [3_600_000, -3_600_000, 0];
const now = Date.now;
let shift = 0;
let turns = 0;

class ShiftedDate extends Date {
  constructor(...given: [] | [number]) {
    if (given.length === 0) super(now() + shift);
    else super(...given);
  }
  static override now(): number {
    return now() + shift;
  }
}

globalThis.Date = ShiftedDate as DateConstructor;
process.on("SIGUSR2", () => {
  shift = SHIFTS_MS[turns++ % SHIFTS_MS.length] ?? 0;
  console.log(`the clock is shifted by ${shift} ms`);
});
