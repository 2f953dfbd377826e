/** A row that is to be fetched. */
export interface RowSize {
  /** About what it takes in memory. */
  bytes: number;
  /** What a reader needs to know of it if it is left out. */
  key: Record<string, unknown>;
}

export interface FetchGroup {
  rows: number;
  /** The one row of this group is not fetched. */
  tooLarge?: Record<string, unknown>;
}

/** Rows whose sizes are asked for at once. */
export const LOOK_AHEAD = 500;
const GROUP_BYTES = 1 << 20;
/** A row of the runtime's own is far below: an answer of the model, results of tools of 64 KiB each. */
const MOST_BYTES = 32 << 20;

/** Rows in groups that fit into memory, in order: a row that is larger than a group is alone, one that is too large is left out. */
export function fetchGroups(sizes: readonly RowSize[]): FetchGroup[] {
  const groups: FetchGroup[] = [];
  let room = 0;
  for (const { bytes, key } of sizes) {
    const last = groups.at(-1);
    if (bytes > MOST_BYTES) {
      groups.push({ rows: 1, tooLarge: { ...key, omittedBytes: bytes } });
      room = 0;
    } else if (last && bytes <= room) {
      last.rows++;
      room -= bytes;
    } else {
      groups.push({ rows: 1 });
      room = GROUP_BYTES - bytes;
    }
  }
  return groups;
}
