import { isNotFound } from "../kubernetes/errors.ts";

/** What a GET gives, or undefined where there is nothing. */
export async function found<T>(get: Promise<T>): Promise<T | undefined> {
  try {
    return await get;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
