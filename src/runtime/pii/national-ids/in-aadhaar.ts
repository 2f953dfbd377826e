import { always, type NationalId } from "./national-id.ts";

const DIHEDRAL = [
  "0123456789",
  "1234067895",
  "2340178956",
  "3401289567",
  "4012395678",
  "5987604321",
  "6598710432",
  "7659821043",
  "8765932104",
  "9876543210",
];
const PERMUTATION = [
  "0123456789",
  "1576283094",
  "5803796142",
  "8916043527",
  "9453126870",
  "4286573901",
  "2793806415",
  "7046913258",
];

/** Verhoeff's check digit. */
function fitsVerhoeff(digits: string): boolean {
  let check = 0;
  for (let i = 0; i < digits.length; i++) {
    const permuted = Number(PERMUTATION[i % 8]?.[Number(digits[digits.length - 1 - i])]);
    check = Number(DIHEDRAL[check]?.[permuted]);
  }
  return check === 0;
}

/** Aadhaar. One number in ten fits its check digit, so it has to be announced. */
export const inAadhaar: NationalId = {
  pattern: /\b[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}\b/g,
  isValid: fitsVerhoeff,
  words: /aa?dha{1,2}r|\buidai?\b/i,
  needsWords: always,
};
