/** Whether a path of the build context is left out; paths have `/` and no leading `./`. */
export type Ignores = (path: string) => boolean;

function expression(pattern: string): RegExp {
  const source = pattern.replace(/\*\*\/|\*\*|\*|\?|[.+^${}()|[\]\\]/g, (found) => {
    if (found === "**/") return "(?:.*/)?";
    if (found === "**") return ".*";
    if (found === "*") return "[^/]*";
    return found === "?" ? "[^/]" : `\\${found}`;
  });
  return new RegExp(`^${source}(?:/.*)?$`); // a folder that matches takes what is in it along
}

/** Reads a .dockerignore: the last pattern that matches decides, and `!` takes back in. https://docs.docker.com/build/concepts/context/#dockerignore-files */
export function parseIgnoreFile(text: string): Ignores {
  const rules = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ keeps: line.startsWith("!"), pattern: line.replace(/^!/, "").replace(/^\/|\/$/g, "") }))
    .map(({ keeps, pattern }) => ({ keeps, matches: expression(pattern) }));
  return (path) => !(rules.findLast(({ matches }) => matches.test(path))?.keeps ?? true);
}
