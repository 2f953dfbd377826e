/** A time of the database as text; "" for one that no calendar has (`infinity`), which the tenant's login may have written. */
export const isoTime = (at: unknown): string =>
  at instanceof Date && !Number.isNaN(at.getTime()) ? at.toISOString() : "";

export const isoTimeOrNull = (at: unknown): string | null => (at === null ? null : isoTime(at));
