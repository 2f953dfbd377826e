/**
 * What a request is called in its batch: the run, and the group that it was submitted with. The group is what a batch is recognised
 * by whose creation nobody has heard the answer of. The API takes 64 letters, digits, `_` and `-`.
 */
export const customId = (run: string, group: string): string =>
  `${run}_${Buffer.from(group.replaceAll("-", ""), "hex").toString("base64url")}`;

/** Whether the request was submitted with this group. */
export const isOfGroup = (id: string, group: string): boolean => id.endsWith(customId("", group));

/** The run that the request is of. */
export const runOf = (id: string): string => id.slice(0, 36);
