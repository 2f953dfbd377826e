/** ISO/IEC 7812-1: payment cards, and some national numbers. */
export function fitsLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]) * (i % 2 ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}

/** The remainder by 97 of a number of any length. */
export function mod97(digits: string): number {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97;
  return rest;
}

/** The sum of the digits, each by its weight. */
export const weighted = (digits: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, i) => sum + weight * Number(digits[i]), 0);

/** Whether all digits are the same: such a number may fit its check digit, but is nobody's. */
export const isOneDigit = (digits: string): boolean => digits === (digits[0] ?? "").repeat(digits.length);

/** A day as yy, mm, dd in some order, in any century. */
export const isDay = (month: string, day: string): boolean =>
  Number(month) >= 1 && Number(month) <= 12 && Number(day) >= 1 && Number(day) <= 31;
