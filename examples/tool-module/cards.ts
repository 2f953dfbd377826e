const CARD = /\b(?:\d[ -]?){12,18}\d\b/g;

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (const [i, digit] of digits.split("").toReversed().entries()) {
    const doubled = Number(digit) * (i % 2 ? 2 : 1);
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** The text with all but the last four digits of each payment card's number hidden. */
export const maskCards = (text: string): string =>
  text.replace(CARD, (number) => {
    const digits = number.replaceAll(/\D/g, "");
    return passesLuhn(digits) ? `**** ${digits.slice(-4)}` : number;
  });
