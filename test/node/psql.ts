// Stands in for psql, of which the Postgres of the tests has none: `node psql.ts CONNECTION -c STATEMENT…`. The file CONNECTION has the
// superuser's settings as JSON. The first statement that fails ends it.
import { readFileSync } from "node:fs";
import { query } from "../../src/cli/demo/database-window.ts";
import type { ConnectionSettings } from "../../src/database/connection.ts";

const [file = "", ...words] = process.argv.slice(2);
const settings = JSON.parse(readFileSync(file, "utf8")) as ConnectionSettings;
const statements = words.filter((_, i) => words[i - 1] === "-c");
if (statements.length * 2 !== words.length)
  throw new Error(`psql.ts knows -c STATEMENT alone, not: ${words.join(" ")}`);
await query(settings, ...statements);
