const QUOTE = '"'.charCodeAt(0);
const BACKSLASH = "\\".charCodeAt(0);
const COMMA = ",".charCodeAt(0);
const OPEN_OBJECT = "{".charCodeAt(0);
const CLOSE_OBJECT = "}".charCodeAt(0);
const OPEN_LIST = "[".charCodeAt(0);
const CLOSE_LIST = "]".charCodeAt(0);

const METADATA = '"metadata":{';
const MANAGED_FIELDS = '"managedFields":[';
/** Of an item's own fields: in the object of the list, its items, the item. */
const ITEM_DEPTH = 3;

/** Where the string that begins at `from` ends. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((end - before) % 2 === 1) return end; // an even number of backslashes escape each other
  }
  return text.length;
}

/**
 * The JSON of a list as the API server writes it, without its items' `metadata.managedFields`. They are half of it, nothing here reads
 * them, and as objects they would be most of what a start of the operator allocates. What is written otherwise stays as it is.
 */
export function withoutManagedFields(list: string): string {
  let kept = "";
  let keptTo = 0;
  let depth = 0;
  let isInMetadata = false;
  let cutFrom = -1;
  for (let i = 0; i < list.length; i++) {
    const code = list.charCodeAt(i);
    if (code === QUOTE) {
      if (depth === ITEM_DEPTH) isInMetadata = list.startsWith(METADATA, i);
      if (isInMetadata && depth === ITEM_DEPTH + 1 && list.startsWith(MANAGED_FIELDS, i)) cutFrom = i;
      i = endOfString(list, i);
    } else if (code === OPEN_OBJECT || code === OPEN_LIST) depth++;
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      depth--;
      if (cutFrom < 0 || depth !== ITEM_DEPTH + 1) continue;
      // With one of the commas around it.
      const isLast = list.charCodeAt(i + 1) !== COMMA;
      kept += list.slice(keptTo, isLast && list.charCodeAt(cutFrom - 1) === COMMA ? cutFrom - 1 : cutFrom);
      keptTo = isLast ? i + 1 : i + 2;
      cutFrom = -1;
    }
  }
  return kept + list.slice(keptTo);
}
