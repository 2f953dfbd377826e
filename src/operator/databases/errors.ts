import { DatabaseError } from "../../database/errors.ts";

/** A Tenant is recorded on a server that the operator's configuration does not have. */
export class DatabaseServerUnknown extends DatabaseError {
  override readonly name = "DatabaseServerUnknown";
}

/** Why a Tenant is on no server yet. */
export class PlacementRefused extends DatabaseError {
  override readonly name = "PlacementRefused";
  readonly #reason: string;

  constructor({ reason, message }: { reason: string; message: string }) {
    super(message);
    this.#reason = reason;
  }

  override get reason(): string {
    return this.#reason;
  }
}
