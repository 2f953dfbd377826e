import { hash } from "node:crypto";

/** 0 up to 1, always the same for one uid: so that what is due at once is not done at once for ever. */
export const shareOf = (uid: string): number => Number.parseInt(hash("sha256", uid).slice(0, 8), 16) / 2 ** 32;
