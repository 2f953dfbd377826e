import type { JSX } from "preact";
import type { ConsoleCondition } from "../../api/console.ts";
import { spaced } from "../format.ts";
import { Badge, type Tone } from "../ui/badge.tsx";
import { Empty } from "../ui/notes.tsx";
import { Table } from "../ui/table.tsx";
import { Time } from "../ui/time.tsx";

/** Conditions whose True is no good news. */
const WARNING = new Set(["Paused", "DeletionBlocked"]);

function toneOf({ type, status }: ConsoleCondition): Tone {
  if (WARNING.has(type)) return status === "True" ? "warn" : "plain";
  if (status === "Unknown") return "warn";
  return status === "True" ? "good" : "bad";
}

/** What is wrong comes first, then Ready. */
const order = (it: ConsoleCondition): number =>
  toneOf(it) === "bad" ? 0 : toneOf(it) === "warn" ? 1 : it.type === "Ready" ? 2 : 3;

export function Conditions({ conditions, of }: { conditions: ConsoleCondition[]; of: string }): JSX.Element {
  if (conditions.length === 0)
    return <Empty title="The operator has not looked at it yet">It does so within seconds while it leads.</Empty>;
  return (
    <Table caption={`Conditions of ${of}`} heads={["Condition", "Status", "What was found", "Since"]}>
      {conditions
        .toSorted((a, b) => order(a) - order(b))
        .map((it) => (
          <tr key={it.type}>
            <th scope="row">{spaced(it.type)}</th>
            <td>
              <Badge tone={toneOf(it)} text={it.status} />
            </td>
            <td class="wide">
              <strong>{spaced(it.reason)}</strong>
              <br />
              {it.message}
            </td>
            <td>
              <Time at={it.since} />
            </td>
          </tr>
        ))}
    </Table>
  );
}
