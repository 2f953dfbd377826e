import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, some, unknown } from "../outcome.ts";

/** What is said is encrypted before it is stored. Of the server's disks nothing can be seen from here. */
export const encryptionAtRest: Check = {
  name: "EncryptionAtRest",
  decide({ agents, database }) {
    const nameOf = (it: (typeof agents)[number]) => it.metadata.name;
    const encrypting = new Set(agents.filter((it) => it.spec.dataProtection.encryptTranscripts).map(nameOf));
    const plain = agents.map(nameOf).filter((name) => !encrypting.has(name));
    if (agents.length === 0) return unknown("NoAgents", "the tenant has no Agents");
    if (isUnseen(database)) return unknown("DatabaseNotReached", database.unseen);
    const broken = [
      ...database.plainText.filter((name) => encrypting.has(name)),
      ...database.reports
        .filter((it) => encrypting.has(it.agent) && it.security?.encrypts === false)
        .map((it) => it.agent),
    ];
    if (broken.length > 0)
      return failed(
        "StoredInPlainText",
        `Agents ${some([...new Set(broken)])} ask for encryption and store messages in plain text: see the condition EncryptionReady, then restart their pods`,
      );
    if (plain.length > 0)
      return unknown(
        "Off",
        `Agents ${some(plain)} store what is said as it is: set dataProtection.encryptTranscripts, or see to it that the database's disks are encrypted, which cannot be seen from here`,
      );
    return passed(
      "Encrypted",
      "all Agents encrypt; the newest 200 messages were looked at, and none that was written since their pods started is in plain text",
    );
  },
};
